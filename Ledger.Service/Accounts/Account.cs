namespace Ledger.Service.Accounts;

/// <summary>A user's account. Its balance is always the sum of its transfers.</summary>
/// <param name="Id">The user's id, as in <c>sub</c> of access tokens.</param>
/// <param name="Balance">Credits, held ones included.</param>
/// <param name="Held">Credits that open holds keep back: they cannot be spent.</param>
/// <param name="Version">The number of the account's transfers, and of the latest of them.</param>
/// <param name="Revision">How often Balance or Held has changed. Orders the values of the cache.</param>
/// <param name="MonthlyBudget">The most credits it may spend in a month of UTC; null for no budget.</param>
/// <param name="Month">The first day of the latest month of UTC in which it has spent or held any.</param>
/// <param name="ThisMonth">Credits spent in that month, held ones included.</param>
/// <param name="OpenedAt">When it was opened.</param>
/// <param name="ClosedAt">
/// When it was closed. What was held before can be captured and released, and nothing else.
/// </param>
internal sealed record Account(
    long Id, long Balance, long Held, long Version, long Revision, long? MonthlyBudget, DateOnly? Month, long ThisMonth,
    DateTimeOffset OpenedAt, DateTimeOffset? ClosedAt)
{
    /// <summary>What can be spent: the balance without what is held.</summary>
    public Balance Spendable => new(Balance - Held, Revision);

    /// <summary>Credits spent in the month that it is now, held ones included.</summary>
    public long SpentInMonth(TimeProvider clock)
    {
        var today = clock.UtcDay();
        return Month >= today.AddDays(1 - today.Day) ? ThisMonth : 0;
    }
}

/// <summary>What can be spent of an account at one moment.</summary>
/// <param name="Tokens">Tokens left to spend: those that are held are not.</param>
/// <param name="Revision">How often the account had changed by then.</param>
internal readonly record struct Balance(long Tokens, long Revision)
{
    /// <summary>The most tokens an account may be given: what JSON numbers hold exactly (RFC 8259, 6).</summary>
    public const long Max = HoldItem.MaxAmount;
}
