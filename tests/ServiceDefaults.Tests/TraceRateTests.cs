using Microsoft.Extensions.Hosting;
using OpenTelemetry.Trace;

namespace ServiceDefaults.Tests;

/// <summary>How many traces are recorded.</summary>
public sealed class TraceRateTests
{
    private const int PerSecond = 50;

    private readonly StoppedClock _clock = new();
    private readonly TraceRate _rate;

    public TraceRateTests() => _rate = new TraceRate(PerSecond, _clock);

    [Fact]
    public void Traces_AtOnceAfterQuiet_AreRecordedUpToTheRateAndOne()
    {
        _clock.Advance(TimeSpan.FromHours(1));

        // One more: the one that is due now.
        Assert.Equal(PerSecond + 1, Ask(10 * PerSecond));
    }

    [Fact]
    public void Traces_FasterThanTheRate_AreRecordedAtTheRate()
    {
        Ask(10 * PerSecond);
        var recorded = 0;
        for (var millisecond = 0; millisecond < 10_000; millisecond++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            recorded += Ask(3);
        }

        Assert.Equal(10 * PerSecond, recorded);
    }

    [Fact]
    public void Traces_SlowerThanTheRate_AreAllRecorded()
    {
        Ask(10 * PerSecond);
        for (var n = 0; n < 100; n++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1.0 / PerSecond));
            Assert.Equal(1, Ask(1));
        }
    }

    [Fact]
    public async Task Traces_OfManyThreads_AreRecordedUpToTheRateAndOne()
    {
        var recorded = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Ask(PerSecond)))).Soon();

        Assert.Equal(PerSecond + 1, recorded.Sum());
    }

    private int Ask(int times) => Enumerable.Range(0, times).Count(_ =>
        _rate.ShouldSample(default).Decision == SamplingDecision.RecordAndSample);
}
