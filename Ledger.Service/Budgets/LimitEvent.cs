namespace Ledger.Service.Budgets;

/// <summary>
/// 50, 80 or 100 % of a limit are spent. Written by <c>note_limits</c> with what spends them, once per limit, period
/// and threshold; sent by <see cref="LimitWebhook"/>.
/// </summary>
internal sealed class LimitEvent
{
    public long Account { get; init; }

    /// <summary>The user's budget: <c>month</c>. A key's: <c>key_total</c>, <c>key_month</c>, <c>key_day</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The API key's number; 0 for the user's budget.</summary>
    public long KeyId { get; init; }

    /// <summary>The first day of the limit's day or month of UTC; 1970-01-01 for a total.</summary>
    public DateOnly Period { get; init; }

    /// <summary>Percent.</summary>
    public int Threshold { get; init; }

    /// <summary>The limit in credits.</summary>
    public long Most { get; init; }

    /// <summary>Credits spent, without those that are held.</summary>
    public long Spent { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public int Attempts { get; init; }

    /// <summary>Not sent before: the lease of the replica that sends it now, and the wait after that failed.</summary>
    public DateTimeOffset NextAttemptAt { get; init; }
    public DateTimeOffset? DeliveredAt { get; init; }
}
