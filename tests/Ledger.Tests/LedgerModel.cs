using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>What the ledger must do, in memory: one thing after the other.</summary>
internal sealed class LedgerModel
{
    private const long Opening = 4000;

    private readonly Dictionary<(long Account, Guid Id), byte[]> _moved = [];
    private readonly HashSet<long> _closed = [];
    private readonly List<(long Account, long? Key, DateOnly Day, long Amount)> _spent = [];
    private readonly Dictionary<long, long?> _budgets = [];
    private readonly Dictionary<long, DateOnly> _months = [];
    private readonly Dictionary<(long Account, long Key), (DateOnly Day, UsedApiKey Limits)> _keys = [];

    /// <summary>The accounts that are open.</summary>
    public Dictionary<long, (long Balance, long Held)> Accounts { get; } = [];

    /// <summary>What is held, and for which day it counts.</summary>
    public Dictionary<(long Account, Guid Id), (HoldItem Item, DateOnly Day)> Open { get; } = [];

    /// <summary>What was captured, with its hash.</summary>
    public Dictionary<(long Account, Guid Id), (long Amount, byte[] Hash)> Captured { get; } = [];

    /// <summary>The day of the replica that works next.</summary>
    public DateOnly Today { get; set; } = new(2026, 1, 5);

    /// <summary>The events about limits.</summary>
    public HashSet<(long Account, string Kind, long Key, DateOnly Period, int Threshold)> Events { get; } = [];

    /// <summary>What each account has spent or holds in its latest month.</summary>
    public IEnumerable<(long Account, DateOnly Month, long ThisMonth)> Months => _months.Select(each =>
        (each.Key, each.Value, Used(each.Key, null, each.Value)));

    /// <summary>What each API key has spent or holds: in total, on its latest day, and in the month of that.</summary>
    public IEnumerable<(long Account, long Key, long Total, long Today, long ThisMonth)> Keys =>
        _keys.Select(each => (
            each.Key.Account, each.Key.Key, Used(each.Key.Account, each.Key.Key, DateOnly.MinValue),
            Used(each.Key.Account, each.Key.Key, each.Value.Day),
            Used(each.Key.Account, each.Key.Key, MonthOf(each.Value.Day))));

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

    /// <summary>Sets what may be spent in a month.</summary>
    public void SetBudget(long account, long? credits)
    {
        Read(account);
        _budgets[account] = credits;
    }

    /// <summary>A deduction or credit.</summary>
    public HoldOutcome Move(TransferRequest request)
    {
        if (request.Amount < 1)
        {
            return HoldOutcome.InvalidAmount;
        }

        if (_moved.TryGetValue((request.Account, request.Id), out var hash))
        {
            return hash.SequenceEqual(request.Hash())
                ? HoldOutcome.Exists : HoldOutcome.ExistsWithDifferentContent;
        }

        var isCredit = request.Kind is TransferKind.Credit;
        var tokens = Read(request.Account);
        if (_closed.Contains(request.Account))
        {
            return HoldOutcome.AccountClosed;
        }

        var day = DayOf(request.Account, request.Key);
        if (IsOverLimit(request.Account, request.Amount, request.Key, day))
        {
            return HoldOutcome.KeyLimitReached;
        }

        if (!isCredit && IsOverBudget(request.Account, request.Amount, day))
        {
            return HoldOutcome.BudgetReached;
        }

        var (balance, held) = Accounts[request.Account];
        if (isCredit ? balance > Balance.Max - request.Amount : tokens < request.Amount)
        {
            return isCredit ? HoldOutcome.BalanceTooLarge
                : balance < request.Amount ? HoldOutcome.InsufficientTokens : HoldOutcome.TokensHeld;
        }

        Accounts[request.Account] = (balance + (isCredit ? request.Amount : -request.Amount), held);
        if (!isCredit)
        {
            Begin(request.Account, request.Key, day);
            Spend(request.Account, request.Key?.Id, day, request.Amount);
        }

        _moved[(request.Account, request.Id)] = request.Hash();
        return HoldOutcome.Created;
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
        var hold = Open.GetValueOrDefault((item.Account, item.Id)).Item;
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

        var day = DayOf(item.Account, item.Key);
        if (IsOverLimit(item.Account, item.Amount, item.Key, day))
        {
            return HoldOutcome.KeyLimitReached;
        }

        if (IsOverBudget(item.Account, item.Amount, day))
        {
            return HoldOutcome.BudgetReached;
        }

        if (balance - held < item.Amount)
        {
            return HoldOutcome.InsufficientTokens;
        }

        Accounts[item.Account] = (balance, held + item.Amount);
        Open[(item.Account, item.Id)] = (item, day);
        Begin(item.Account, item.Key, day);
        return HoldOutcome.Held;
    }

    private long Settle(HoldItem hold, long most)
    {
        var cost = Math.Min(most, hold.Amount);
        var (balance, held) = Accounts[hold.Account];
        Accounts[hold.Account] = (balance - cost, held - hold.Amount);
        Open.Remove((hold.Account, hold.Id), out var open);
        if (cost > 0)
        {
            Captured[(hold.Account, hold.Id)] = (cost, hold.Hash!);
            Spend(hold.Account, hold.Key?.Id, open.Day, cost);
        }

        return cost;
    }

    /// <summary>A day that is over for the account or the key comes from a slow clock.</summary>
    private DateOnly DayOf(long account, UsedApiKey? key) => new[]
    {
        Today,
        _months.GetValueOrDefault(account),
        key is null ? default : _keys.GetValueOrDefault((account, key.Id)).Day,
    }.Max();

    private bool IsOverLimit(long account, long amount, UsedApiKey? key, DateOnly day) => key is not null
        && (Used(account, key.Id, DateOnly.MinValue) + amount > key.Limit
            || Used(account, key.Id, day) + amount > key.DailyLimit
            || Used(account, key.Id, MonthOf(day)) + amount > key.MonthlyLimit);

    private bool IsOverBudget(long account, long amount, DateOnly day) =>
        Used(account, null, MonthOf(day)) + amount > _budgets.GetValueOrDefault(account);

    private static DateOnly MonthOf(DateOnly day) => day.AddDays(1 - day.Day);

    private void Begin(long account, UsedApiKey? key, DateOnly day)
    {
        _months[account] = MonthOf(day);
        if (key is not null)
        {
            _keys[(account, key.Id)] = (day, key);
        }
    }

    private long Used(long account, long? key, DateOnly from) => Spent(account, key, from) + Open.Values
        .Where(hold => hold.Item.Account == account && (key is null || hold.Item.Key?.Id == key) && hold.Day >= from)
        .Sum(hold => hold.Item.Amount);

    private long Spent(long account, long? key, DateOnly from) => _spent
        .Where(each => each.Account == account && (key is null || each.Key == key) && each.Day >= from)
        .Sum(each => each.Amount);

    private void Spend(long account, long? key, DateOnly day, long amount)
    {
        _spent.Add((account, key, day, amount));
        Note("month", null, _months[account], _budgets.GetValueOrDefault(account));
        if (key is not null && _keys[(account, key.Value)] is var (latest, limits))
        {
            Note("key_total", key, new(1970, 1, 1), limits.Limit);
            Note("key_month", key, MonthOf(latest), limits.MonthlyLimit);
            Note("key_day", key, latest, limits.DailyLimit);
        }

        void Note(string kind, long? of, DateOnly period, long? most)
        {
            foreach (var threshold in new[] { 50, 80, 100 })
            {
                if (most > 0 && Spent(account, of, period) * 100 >= most * threshold)
                {
                    Events.Add((account, kind, of ?? 0, period, threshold));
                }
            }
        }
    }
}
