using Aspire.Dashboard.Telemetry;

namespace Dashboard.Tests;

public sealed class MetricMathTests
{
    private static readonly DateTime Start = new(2026, 1, 2, 3, 4, 0, DateTimeKind.Utc);
    private static readonly TimeSteps Steps = new(Start, TimeSpan.FromSeconds(10), 3);

    [Fact]
    public void Rates_OfSteadyCount_AreGrowthASecond() =>
        Assert.Equal([1, 2, 3], MetricMath.Rates([Sums((0, 100), (10, 110), (20, 130), (30, 160))], Steps));

    [Fact]
    public void Rates_OfRareSender_AreSpreadEvenly() =>
        Assert.Equal([2, 2, 2], MetricMath.Rates([Sums((-30, 0), (30, 120))], Steps));

    [Fact]
    public void Rates_OfSeriesThatBeganAtZero_HaveTheFirstValue() =>
        Assert.Equal([null, 5, 0], MetricMath.Rates([Sums((15, 50), (30, 50)) with { BeganAtZero = true }], Steps));

    [Fact]
    public void Rates_OfSeriesThatWasThereBefore_DoNotHaveTheFirstValue() =>
        Assert.Equal([null, 0, 1], MetricMath.Rates([Sums((20, 5000), (30, 5010))], Steps));

    [Fact]
    public void Rates_AfterRestart_CountFromZero() =>
        Assert.Equal([0, 2, 1], MetricMath.Rates([Sums((0, 1000), (10, 1000), (20, 20), (30, 30))], Steps));

    [Fact]
    public void Rates_WithRestartWithinAStep_LoseNothingOfIt() =>
        // 10 more, a restart, 30 more: the ends of the step alone (100 and 30) would tell of 30.
        Assert.Equal(4, MetricMath.Rates([Sums((0, 100), (3, 110), (6, 5), (10, 30))], Steps)[0]);

    [Fact]
    public void Rates_SinceTheLastPoint_AreNotKnownYet() =>
        Assert.Equal([1, null, null], MetricMath.Rates(
            [Sums((0, 0), (10, 10)) with { Interval = TimeSpan.FromSeconds(10) }], Steps));

    [Fact]
    public void Rates_OfProcessThatIsGone_AreZero() =>
        Assert.Equal([1, 0, 0], MetricMath.Rates(
            [Sums((0, 0), (10, 10)) with { Interval = TimeSpan.FromSeconds(1) }], Steps));

    [Fact]
    public void Rates_OfSeveralSeries_AreAdded() => Assert.Equal([3, 3, 3], MetricMath.Rates(
        [Sums((0, 0), (30, 30)), Sums((0, 7), (30, 67))], Steps));

    [Fact]
    public void Rates_OfHistograms_AreOfValues() =>
        Assert.Equal([1, 0, 0], MetricMath.Rates([Histograms((0, [1, 2]), (10, [5, 8]), (30, [5, 8]))], Steps));

    [Fact]
    public void Growth_OfAllSteps_IsWhatCame() =>
        Assert.Equal(60, MetricMath.Growth([Sums((0, 100), (10, 110), (20, 130), (30, 160))], Steps)!.Value, 6);

    [Fact]
    public void Growth_OfNothing_IsNotKnown() => Assert.Null(MetricMath.Growth([], Steps));

    [Fact]
    public void Values_OfTwoProcesses_AreAdded() => Assert.Equal([null, 5, 7], MetricMath.Values(
        [Sums((15, 5), (30, 5)), Sums((25, 2), (30, 2))], Steps));

    [Fact]
    public void Values_BetweenEqualPoints_AreHeld()
    {
        // The store keeps of equal points the first and the last; here nine minutes lie between.
        var steps = new TimeSteps(Start, TimeSpan.FromMinutes(3), 3);
        var held = Sums((0, 7), (540, 7)) with { Interval = TimeSpan.FromSeconds(1) };
        Assert.Equal([7, 7, 7], MetricMath.Values([held], steps));
    }

    [Fact]
    public void Values_OfProcessThatIsGone_EndSoon() => Assert.Equal([7, null, null], MetricMath.Values(
        [Sums((8, 6), (9, 7)) with { Interval = TimeSpan.FromSeconds(1) }], Steps));

    [Fact]
    public void Histograms_OfAStep_AreWhatCameInIt()
    {
        var histograms = MetricMath.Histograms([Histograms((0, [1, 2]), (10, [5, 2]), (30, [6, 4]))], Steps);
        Assert.Equal([4, 0], histograms[0]!.Counts);
        Assert.Null(histograms[1]);
        Assert.Equal([1, 2], histograms[2]!.Counts);
    }

    [Fact]
    public void Histograms_AfterRestart_CountFromZero() => Assert.Equal(
        [1, 1], MetricMath.Histograms([Histograms((0, [9, 9]), (10, [1, 1]))], Steps)[0]!.Counts);

    [Fact]
    public void Histograms_OfSeveralSeries_AreAdded() => Assert.Equal(
        [3, 3],
        MetricMath.Histograms([Histograms((0, [0, 0]), (10, [1, 2])), Histograms((0, [0, 0]), (5, [2, 1]))], Steps)[0]!
            .Counts);

    [Theory]
    [InlineData(0.5, 10)]
    [InlineData(0.25, 5)]
    [InlineData(0.75, 15)]
    [InlineData(1, 20)]
    public void Percentile_WithinARange_IsSpreadEvenly(double share, double expected) =>
        Assert.Equal(expected, MetricMath.Percentile(new HistogramValue([10, 10, 0], [10, 20]), share));

    [Fact]
    public void Percentile_AboveAllBounds_IsTheLastBound() =>
        Assert.Equal(20, MetricMath.Percentile(new HistogramValue([0, 0, 5], [10, 20]), .5));

    [Fact]
    public void Percentile_OfNothing_IsNotKnown()
    {
        Assert.Null(MetricMath.Percentile(new HistogramValue([0, 0], [10]), .5));
        Assert.Null(MetricMath.Percentile(new HistogramValue([5], []), .5));
    }

    [Fact]
    public void Until_AnyMoment_EndsAtAWholeStepBefore()
    {
        var steps = TimeSteps.Until(Start.AddSeconds(14), TimeSpan.FromMinutes(1), 12);
        Assert.Equal(Start.AddSeconds(10), steps.End);
        Assert.Equal(Start.AddSeconds(-50), steps.Start);
        Assert.Equal(0, steps.IndexOf(steps.At(1)));
        Assert.Equal(1, steps.IndexOf(steps.At(1).AddTicks(1)));
    }

    private static Series Sums(params (int Second, double Value)[] points) => Of(
        points.Select(point => new MetricPoint(Start.AddSeconds(point.Second), point.Value, Histogram: null)));

    private static Series Histograms(params (int Second, long[] Counts)[] points) => Of(
        points.Select(point => new MetricPoint(
            Start.AddSeconds(point.Second), 0, new HistogramValue(point.Counts, [1]))));

    private static Series Of(IEnumerable<MetricPoint> points) =>
        new(new TelemetrySource("chat", "chat"), [], [.. points], BeganAtZero: false);
}
