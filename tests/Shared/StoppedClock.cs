namespace Tests.Shared;

/// <summary>A clock that moves only when a test says so.</summary>
internal sealed class StoppedClock : TimeProvider
{
    private DateTimeOffset _now = System.GetUtcNow();

    public void Advance(TimeSpan by) => _now += by;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _now.UtcTicks;
}
