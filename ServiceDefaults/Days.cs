namespace Microsoft.Extensions.Hosting;

/// <summary>Days as limits and reports count them.</summary>
public static class Days
{
    /// <summary>Today in UTC.</summary>
    /// <param name="clock">The time.</param>
    /// <returns>The day.</returns>
    public static DateOnly UtcDay(this TimeProvider clock) => DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
}
