using Ledger.Service.Holds;

namespace Ledger.Tests;

/// <summary>What a batch must do, in memory: one item after the other.</summary>
internal sealed class HoldModel
{
    private const long Opening = 4000;

    private readonly HashSet<long> _closed = [];

    /// <summary>The accounts that are open.</summary>
    public Dictionary<long, (long Balance, long Held)> Accounts { get; } = [];

    /// <summary>What is held.</summary>
    public Dictionary<(long Account, Guid Id), HoldItem> Open { get; } = [];

    /// <summary>What was captured, with its hash.</summary>
    public Dictionary<Guid, (long Account, long Amount, byte[] Hash)> Captured { get; } = [];

    /// <summary>What API keys have spent or hold. In the model it is always the same day.</summary>
    public Dictionary<(long Account, long Key), long> Spent { get; } = [];

    /// <summary>Closes an account.</summary>
    public void Close(long account) => _closed.Add(account);

    /// <summary>Carries out a batch. An account of any hold in it opens first.</summary>
    public List<HoldResult> CarryOut(IEnumerable<HoldItem> batch)
    {
        var items = batch.ToList();
        foreach (var item in items.Where(item => item.Operation is HoldOperation.Hold))
        {
            Accounts.TryAdd(item.Account, (Opening, 0));
        }

        return items.ConvertAll(item =>
        {
            var (outcome, amount) = CarryOut(item);
            var (balance, held) = Accounts.GetValueOrDefault(item.Account);
            return new HoldResult(outcome, amount, balance, held);
        });
    }

    private (HoldOutcome Outcome, long Amount) CarryOut(HoldItem item)
    {
        var isCaptured = Captured.TryGetValue(item.Id, out var captured);
        var hold = Open.GetValueOrDefault((item.Account, item.Id));
        return item.Operation switch
        {
            HoldOperation.Hold when isCaptured => (
                captured.Hash.SequenceEqual(item.Hash!) ? HoldOutcome.Captured : HoldOutcome.Conflict,
                captured.Amount),
            HoldOperation.Hold when hold is not null => (
                !hold.Hash!.SequenceEqual(item.Hash!) ? HoldOutcome.Conflict
                    : hold.Holder != item.Holder ? HoldOutcome.InProgress : HoldOutcome.Held,
                hold.Amount),
            HoldOperation.Hold => (Hold(item), item.Amount),
            HoldOperation.Capture when hold is not null => (HoldOutcome.Captured, Settle(hold, item.Amount)),
            HoldOperation.Capture when isCaptured => (HoldOutcome.Captured, captured.Amount),
            HoldOperation.Capture => (item.Amount == 0 ? HoldOutcome.Captured : HoldOutcome.UnknownHold, 0),
            _ when hold is not null && hold.Holder != item.Holder => (HoldOutcome.InProgress, 0),
            _ when hold is not null => (HoldOutcome.Released, Settle(hold, 0)),
            _ => (isCaptured ? HoldOutcome.Captured : HoldOutcome.Released, captured.Amount),
        };
    }

    private HoldOutcome Hold(HoldItem item)
    {
        var (balance, held) = Accounts[item.Account];
        var spent = item.Key is { } used ? Spent.GetValueOrDefault((item.Account, used.Id)) : 0;
        if (_closed.Contains(item.Account))
        {
            return HoldOutcome.AccountClosed;
        }

        if (spent + item.Amount > item.Key?.Limit || spent + item.Amount > item.Key?.DailyLimit)
        {
            return HoldOutcome.KeyLimitReached;
        }

        if (balance - held < item.Amount)
        {
            return HoldOutcome.InsufficientTokens;
        }

        Accounts[item.Account] = (balance, held + item.Amount);
        Open[(item.Account, item.Id)] = item;
        if (item.Key is { } key)
        {
            Spent[(item.Account, key.Id)] = spent + item.Amount;
        }

        return HoldOutcome.Held;
    }

    private long Settle(HoldItem hold, long most)
    {
        var cost = Math.Min(most, hold.Amount);
        var (balance, held) = Accounts[hold.Account];
        Accounts[hold.Account] = (balance - cost, held - hold.Amount);
        Open.Remove((hold.Account, hold.Id));
        if (cost > 0)
        {
            Captured[hold.Id] = (hold.Account, cost, hold.Hash!);
        }

        if (hold.Key is { } key)
        {
            Spent[(hold.Account, key.Id)] -= hold.Amount - cost;
        }

        return cost;
    }
}
