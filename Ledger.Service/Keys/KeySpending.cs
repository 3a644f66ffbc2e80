namespace Ledger.Service.Keys;

/// <summary>
/// What an API key has spent: always the sum of its transfers and open holds, so that a limit need not add them up.
/// </summary>
internal sealed class KeySpending
{
    public long Account { get; init; }
    public long KeyId { get; init; }
    public long Total { get; init; }

    /// <summary>The latest day of UTC on which it has spent any.</summary>
    public DateOnly Day { get; init; }
    public long Today { get; init; }

    /// <summary>Credits it has spent in the month of that day.</summary>
    public long ThisMonth { get; init; }

    /// <summary>Its limits when it was last used, for the events about them.</summary>
    public long? TotalLimit { get; init; }

    /// <inheritdoc cref="TotalLimit"/>
    public long? DailyLimit { get; init; }

    /// <inheritdoc cref="TotalLimit"/>
    public long? MonthlyLimit { get; init; }
}
