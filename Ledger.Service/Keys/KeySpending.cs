namespace Ledger.Service.Keys;

/// <summary>
/// What an API key has spent: always the sum of its transfers and open holds, so that a limit need not add them up.
/// </summary>
/// <param name="Account">The key's user.</param>
/// <param name="KeyId">The key's number.</param>
/// <param name="Total">Credits, ever.</param>
/// <param name="Day">The latest day of UTC on which it has spent any.</param>
/// <param name="Today">Credits on that day.</param>
/// <param name="ThisMonth">Credits in the month of that day.</param>
/// <param name="TotalLimit">Its limit when it was last used, for the events about it; so the other two.</param>
/// <param name="DailyLimit">The same of a day.</param>
/// <param name="MonthlyLimit">The same of a month.</param>
internal sealed record KeySpending(
    long Account, long KeyId, long Total, DateOnly Day, long Today, long ThisMonth,
    long? TotalLimit, long? DailyLimit, long? MonthlyLimit);
