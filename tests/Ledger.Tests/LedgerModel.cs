using Ledger.Service.Accounts;
using Ledger.Service.Holds;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>What the ledger must do, in memory: one thing after the other.</summary>
internal sealed class LedgerModel
{
    private const long Opening = 4000;

    private readonly Dictionary<(long Account, Guid Id), byte[]> _moved = [];
    private readonly HashSet<long> _closed = [];

    /// <summary>The accounts that are open.</summary>
    public Dictionary<long, (long Balance, long Held)> Accounts { get; } = [];

    /// <summary>What is held.</summary>
    public Dictionary<(long Account, Guid Id), HoldItem> Open { get; } = [];

    /// <summary>What was captured, with its hash.</summary>
    public Dictionary<(long Account, Guid Id), (long Amount, byte[] Hash)> Captured { get; } = [];

    /// <summary>What API keys have spent or hold. In the model it is always the same day.</summary>
    public Dictionary<(long Account, long Key), long> Spent { get; } = [];

    /// <summary>Closes an account.</summary>
    public long Close(long account)
    {
        _closed.Add(account);
        return Read(account);
    }

    /// <summary>What can be spent; the first contact opens the account.</summary>
    public long Read(long account)
    {
        Accounts.TryAdd(account, (Opening, 0));
        return Accounts[account].Balance - Accounts[account].Held;
    }

    /// <summary>A deduction or credit.</summary>
    public TransferStatus Move(TransferRequest request)
    {
        if (request.Amount < 1)
        {
            return TransferStatus.InvalidAmount;
        }

        if (_moved.TryGetValue((request.Account, request.Id), out var hash))
        {
            return hash.SequenceEqual(request.Hash())
                ? TransferStatus.Exists : TransferStatus.ExistsWithDifferentContent;
        }

        var isCredit = request.Kind is TransferKind.Credit;
        var tokens = Read(request.Account);
        if (_closed.Contains(request.Account))
        {
            return TransferStatus.AccountClosed;
        }

        if (IsOverLimit(request.Account, request.Amount, request.Key?.Id, request.Key?.Limit, request.Key?.DailyLimit))
        {
            return TransferStatus.KeyLimitReached;
        }

        var (balance, held) = Accounts[request.Account];
        if (isCredit ? balance > Balance.Max - request.Amount : tokens < request.Amount)
        {
            return isCredit ? TransferStatus.BalanceTooLarge
                : balance < request.Amount ? TransferStatus.InsufficientTokens : TransferStatus.TokensHeld;
        }

        Accounts[request.Account] = (balance + (isCredit ? request.Amount : -request.Amount), held);
        Spend(request.Account, request.Key?.Id, request.Amount);
        _moved[(request.Account, request.Id)] = request.Hash();
        return TransferStatus.Created;
    }

    /// <summary>Carries out a batch. An account of any hold in it opens first.</summary>
    public List<HoldResult> CarryOut(IEnumerable<HoldItem> batch)
    {
        var items = batch.ToList();
        foreach (var item in items.Where(item => item.Operation is HoldOperation.Hold))
        {
            Read(item.Account);
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
        var isCaptured = Captured.TryGetValue((item.Account, item.Id), out var captured);
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
        if (_closed.Contains(item.Account))
        {
            return HoldOutcome.AccountClosed;
        }

        if (IsOverLimit(item.Account, item.Amount, item.Key?.Id, item.Key?.Limit, item.Key?.DailyLimit))
        {
            return HoldOutcome.KeyLimitReached;
        }

        if (balance - held < item.Amount)
        {
            return HoldOutcome.InsufficientTokens;
        }

        Accounts[item.Account] = (balance, held + item.Amount);
        Open[(item.Account, item.Id)] = item;
        Spend(item.Account, item.Key?.Id, item.Amount);
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
            Captured[(hold.Account, hold.Id)] = (cost, hold.Hash!);
        }

        Spend(hold.Account, hold.Key?.Id, cost - hold.Amount);
        return cost;
    }

    private bool IsOverLimit(long account, long amount, long? key, long? limit, long? dailyLimit)
    {
        var spent = key is { } used ? Spent.GetValueOrDefault((account, used)) : 0;
        return spent + amount > limit || spent + amount > dailyLimit;
    }

    private void Spend(long account, long? key, long amount)
    {
        if (key is { } used)
        {
            Spent[(account, used)] = Spent.GetValueOrDefault((account, used)) + amount;
        }
    }
}
