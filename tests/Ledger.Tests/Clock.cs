namespace Ledger.Tests;

/// <summary>A clock that stands still.</summary>
internal sealed class Clock(DateTimeOffset now) : TimeProvider
{
    /// <summary>Always the same moment, whatever day the test runs on.</summary>
    public static readonly Clock Today = On(new(2026, 1, 5));

    /// <summary>Noon of a day of UTC.</summary>
    public static Clock On(DateOnly day) => new(new(day, new(12, 0), TimeSpan.Zero));

    public override DateTimeOffset GetUtcNow() => now.ToUniversalTime();
}
