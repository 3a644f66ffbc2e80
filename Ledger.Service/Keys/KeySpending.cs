namespace Ledger.Service.Keys;

/// <summary>
/// What an API key has spent: always the sum of its transfers and open holds, so that a limit need not add them up.
/// </summary>
internal sealed class KeySpending
{
    /// <summary>The user whose key it is.</summary>
    public long Account { get; init; }

    /// <summary>The key's number.</summary>
    public long KeyId { get; init; }

    /// <summary>Tokens it has ever spent, without those given back.</summary>
    public long Total { get; init; }

    /// <summary>The latest day of UTC on which it has spent any.</summary>
    public DateOnly Day { get; init; }

    /// <summary>Tokens it has spent on that day, without those given back.</summary>
    public long Today { get; init; }
}

/// <summary>A key with which tokens are taken.</summary>
/// <param name="Id">The key's number.</param>
/// <param name="Limit">The most tokens it may ever spend; null for no limit.</param>
/// <param name="DailyLimit">The most tokens it may spend in a day of UTC; null for no limit.</param>
/// <param name="Day">Today in UTC, by the clock of the replica.</param>
internal sealed record KeyUse(long Id, long? Limit, long? DailyLimit, DateOnly Day)
{
    /// <summary>A use that is made now.</summary>
    /// <param name="key">The key; null when there is none.</param>
    /// <param name="clock">The time.</param>
    public static KeyUse? Now(UsedApiKey? key, TimeProvider clock) =>
        key is null ? null : new KeyUse(key.Id, key.Limit, key.DailyLimit, Today(clock));

    /// <summary>The day of UTC.</summary>
    /// <param name="clock">The time.</param>
    public static DateOnly Today(TimeProvider clock) => DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
}
