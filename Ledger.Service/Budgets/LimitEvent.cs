namespace Ledger.Service.Budgets;

/// <summary>
/// 50, 80 or 100 % of a limit are spent. Written by <c>note_limits</c> with what spends them, once per limit, period
/// and threshold; sent by <see cref="LimitWebhook"/>.
/// </summary>
/// <param name="Account">Whose account.</param>
/// <param name="Kind">The user's budget: month. A key's: key_total, key_month, key_day.</param>
/// <param name="KeyId">The API key's number; 0 for the user's budget.</param>
/// <param name="Period">The first day of the limit's day or month of UTC; 1970-01-01 for a total.</param>
/// <param name="Threshold">Percent.</param>
/// <param name="Most">The limit in credits.</param>
/// <param name="Spent">Credits spent, without those that are held.</param>
/// <param name="CreatedAt">When it was written.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="NextAttemptAt">Not sent before: the lease of who sends it now, and the wait after that failed.</param>
/// <param name="DeliveredAt">When the receiver took it.</param>
internal sealed record LimitEvent(
    long Account, string Kind, long KeyId, DateOnly Period, int Threshold, long Most, long Spent,
    DateTimeOffset CreatedAt, int Attempts, DateTimeOffset NextAttemptAt, DateTimeOffset? DeliveredAt);
