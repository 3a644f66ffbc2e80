namespace Identity.Tests;

/// <summary>A clock that a test sets ahead. What waits by it waits as long as ever.</summary>
internal sealed class TestClock : TimeProvider
{
    public TimeSpan Ahead { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
}
