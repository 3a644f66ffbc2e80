using Ledger.Service.Transfers;

namespace Ledger.Service.Accounts;

/// <summary>A user's account. Its balance is always the sum of its transfers.</summary>
internal sealed class Account
{
    /// <summary>The user's id, as in <c>sub</c> of access tokens.</summary>
    public long Id { get; init; }

    /// <summary>Credits, held ones included.</summary>
    public long Balance { get; init; }

    /// <summary>Credits that open holds keep back: they cannot be spent.</summary>
    public long Held { get; init; }

    /// <summary>The number of the account's transfers, and of the latest of them.</summary>
    public long Version { get; init; }

    /// <summary>
    /// How often <see cref="Balance"/> or <see cref="Held"/> has changed. Orders the values of the cache.
    /// </summary>
    public long Revision { get; init; }

    /// <summary>The most credits it may spend in a month of UTC; null for no budget.</summary>
    public long? MonthlyBudget { get; init; }

    /// <summary>The first day of the latest month of UTC in which it has spent or held any.</summary>
    public DateOnly? Month { get; init; }

    /// <summary>Credits spent in that month, held ones included.</summary>
    public long ThisMonth { get; init; }
    public DateTimeOffset OpenedAt { get; init; }

    /// <summary>When it was closed. What was held before can be captured and released, and nothing else.</summary>
    public DateTimeOffset? ClosedAt { get; init; }

    /// <summary>Credits spent in the month that it is now, held ones included.</summary>
    public long SpentInMonth(TimeProvider clock)
    {
        var today = clock.UtcDay();
        return Month >= today.AddDays(1 - today.Day) ? ThisMonth : 0;
    }

    /// <summary>What can be spent: the balance without what is held.</summary>
    public Balance Spendable => new(Balance - Held, Revision);
}
