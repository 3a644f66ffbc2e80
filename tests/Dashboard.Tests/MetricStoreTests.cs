using Aspire.Dashboard.Otlp.Wire;
using Aspire.Dashboard.Telemetry;

namespace Dashboard.Tests;

public sealed class MetricStoreTests
{
    private const string Name = "chat.replies";

    private static readonly DateTime Start = new(2026, 1, 2, 3, 4, 0, DateTimeKind.Utc);
    private static readonly TelemetrySource Chat = new("chat", "chat-1");

    private readonly MetricStore _store = new();

    [Fact]
    public void Add_Points_AreFoundByResourceAndProcess()
    {
        Add(Chat, Sum((0, 1)));
        Add(new("chat", "chat-2"), Sum((0, 1)));
        Assert.Equal(2, _store.Find("chat", "m", Name)!.Series.Count);
        Assert.Single(_store.Find("chat-2", meter: null, Name)!.Series);
        Assert.Null(_store.Find("ledger", "m", Name));
        Assert.Equal([Chat, new("chat", "chat-2")], _store.Sources());
        Assert.Equal(new("m", Name, "", "", InstrumentKind.Counter), Assert.Single(_store.Instruments("chat")));
    }

    [Fact]
    public void Add_SameOrOlderTime_IsLeftOut()
    {
        Add(Chat, Sum((5, 1)), Sum((5, 9)), Sum((4, 9)));
        Assert.Equal(1, Assert.Single(Points()).Value);
    }

    [Fact]
    public void Add_EqualValues_KeepsTheFirstAndTheLast()
    {
        Add(Chat, [.. Enumerable.Range(0, 50).Select(second => Sum((second, 7)))]);
        Assert.Equal([Start, Start.AddSeconds(49)], Points().Select(point => point.Time));
        Assert.Equal(TimeSpan.FromSeconds(1), OnlySeries().Interval);
    }

    [Fact]
    public void Add_Deltas_AreSummed()
    {
        Add(Chat, Sum((0, 5), isDelta: true), Sum((1, 3), isDelta: true), Sum((2, 2), isDelta: true));
        Assert.Equal([5, 8, 10], Points().Select(point => point.Value));
        Assert.True(OnlySeries().BeganAtZero);
    }

    [Fact]
    public void Add_MoreDeltasThanAreKept_HaveNotBegunAtZero()
    {
        Add(Chat, [.. Enumerable.Range(0, Limits.Points + 1).Select(n => Sum((n, 1), isDelta: true))]);
        // One that is equal to others takes no room, so nothing goes for it.
        Add(Chat, [.. Enumerable.Range(Limits.Points + 1, 3).Select(n => Sum((n, 0), isDelta: true))]);
        Assert.False(OnlySeries().BeganAtZero);
    }

    [Fact]
    public void Add_MorePointsThanAreKept_TheOldestGo()
    {
        Add(Chat, [.. Enumerable.Range(0, Limits.Points + 10).Select(n => Sum((n, n)))]);
        Assert.Equal(Limits.Points, Points().Count);
        Assert.Equal(Start.AddSeconds(10), Points()[0].Time);
    }

    [Fact]
    public void Add_MoreSeriesThanAnInstrumentMayHave_AreRefused()
    {
        var refused = Add(
            Chat, [.. Enumerable.Range(0, Limits.SeriesOfInstrument + 3).Select(n => Sum((0, 1), $"{n}"))]);
        Assert.Equal(3, refused);
        Assert.Equal(Limits.SeriesOfInstrument, _store.Find("chat", "m", Name)!.Series.Count);
    }

    [Fact]
    public void Add_MoreSeriesThanThereMayBe_AreRefused()
    {
        var instruments = Limits.Series / Limits.SeriesOfInstrument;
        var refused = Enumerable.Range(0, instruments + 1).Sum(n => _store.Add(
            Chat, $"m{n}", [.. Enumerable.Range(0, Limits.SeriesOfInstrument).Select(s => Sum((0, 1), $"{s}"))]));
        Assert.Equal(Limits.SeriesOfInstrument, refused);
        Assert.Equal(instruments, _store.Instruments("chat").Count);
    }

    [Theory]
    [InlineData(7, Limits.NameLength)]
    [InlineData(Limits.Attributes, 1)]
    public void Add_SeriesOfMoreAttributesThanThereIsRoomFor_AreRefused(int attributes, int length)
    {
        var refused = Enumerable.Range(0, 20).Sum(n => _store.Add(
            Chat, $"m{n}", [.. Enumerable.Range(0, Limits.SeriesOfInstrument).Select(Large)]));

        var kept = (20 * Limits.SeriesOfInstrument) - refused;
        Assert.InRange(kept, 1000, Limits.SeriesBytes / (attributes * (100 + (4 * length))));
        // And none that has no series.
        Assert.Equal(1 + ((kept - 1) / Limits.SeriesOfInstrument), _store.Instruments("chat").Count);

        Metric Large(int n)
        {
            var metric = Sum((0, 1), $"{n}");
            AddAttributes(metric, attributes, length);
            return metric;
        }
    }

    [Fact]
    public void Add_SeriesOfMoreBucketsThanThereIsRoomFor_AreRefused()
    {
        var buckets = Enumerable.Repeat(1UL, Limits.Buckets).ToArray();
        for (var second = 0; second < 3; second++)
        {
            for (var n = 0; n < Limits.Series / Limits.SeriesOfInstrument; n++)
            {
                var tags = Enumerable.Range(0, Limits.SeriesOfInstrument);
                _store.Add(Chat, $"m{n}", [.. tags.Select(tag => Histogram(second, $"{tag}", buckets))]);
            }
        }

        var series = _store.Find("chat", meter: null, Name)!.Series;
        var numbers = series.Sum(one => Limits.Buckets * (one.Points.Count + 1)); // Counts, and bounds once.
        Assert.InRange(numbers, Limits.PointNumbers / 2, Limits.PointNumbers);
        // Others have still room for more than their last points.
        Add(new("ledger", "ledger-1"), [.. Enumerable.Range(0, 100).Select(second => Sum((second, second)))]);
        Assert.InRange(Assert.Single(_store.Find("ledger", "m", Name)!.Series).Points.Count, 50, 100);
    }

    [Fact]
    public void Add_BucketsThereIsNoRoomForInPlaceOfNumbers_AreRefused()
    {
        var buckets = Enumerable.Repeat(1UL, Limits.Buckets).ToArray();
        var (all, numbers) = (Limits.Series / Limits.SeriesOfInstrument, Limits.SeriesOfInstrument);
        for (var n = 0; n < all; n++)
        {
            Assert.Equal(0, _store.Add(Chat, $"m{n}", [.. Tags().Select(tag => Sum((0, 1), tag))]));
        }

        var refused = Enumerable.Range(0, all).Sum(
            n => _store.Add(Chat, $"m{n}", [.. Tags().Select(tag => Histogram(1, tag, buckets))]));

        var taken = _store.Find("chat", meter: null, Name)!.Series.Count(one => one.Points[^1].Histogram is not null);
        Assert.Equal((all * numbers) - refused, taken);
        Assert.InRange(taken * 2 * Limits.Buckets, Limits.PointNumbers / 4, Limits.PointNumbers / 2);

        IEnumerable<string> Tags() => Enumerable.Range(0, numbers).Select(tag => $"{tag}");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Numbers_OfASeriesThatForgets_ShrinkToTheLeast(int buckets)
    {
        var series = new SeriesPoints(Chat, [], isNew: false);
        Assert.Equal(0, series.Numbers + series.LeastNumbers);
        for (var n = 0; n < Limits.Points; n++)
        {
            series.Add(Point(n, buckets));
        }

        var all = series.Numbers;
        Assert.InRange(all, 3 * Limits.Points, 15 * Limits.Points);
        for (var n = 0; n < 10; n++)
        {
            series.Halve();
        }

        Assert.Equal(series.LeastNumbers, series.Numbers);
        Assert.Equal(Limits.Points - 1, Assert.Single(series.Read(default).Points).Value);

        // And so it does when it begins anew.
        for (var n = 0; n < Limits.Points; n++)
        {
            series.Add(Point(Limits.Points + n, buckets));
        }

        series.Add(Point(2 * Limits.Points, buckets: 3));
        Assert.InRange(series.Numbers, series.LeastNumbers, series.LeastNumbers + 20);

        static SentPoint Point(int n, int buckets) => new(
            Start.AddSeconds(n), n, new(new long[buckets], new double[buckets - 1]), IsDelta: false, []);
    }

    [Theory]
    [InlineData(Limits.SeriesLength / 2, 0)]
    [InlineData(Limits.SeriesLength, 1)]
    public void Add_SeriesOfLongAttributes_AreRefused(int length, int refused)
    {
        // No single text is too long, all of them are.
        var metric = Sum((0, 1));
        AddAttributes(metric, length / Limits.NameLength, Limits.NameLength);
        Assert.Equal(refused, Add(Chat, metric));
    }

    [Fact]
    public void Add_MoreNumbersThanThereIsRoomFor_TheOlderHalfGoes()
    {
        const int Buckets = 150;
        const int Series = 50;
        var room = (Limits.PointNumbers / (Series * Buckets)) + 1;
        for (var n = 0; n < room; n++)
        {
            Assert.Equal(0, Add(Chat, [.. Enumerable.Range(0, Series).Select(s => BucketsAt(n, $"{s}"))]));
        }

        var kept = _store.Find("chat", "m", Name)!.Series;
        Assert.All(kept, series => Assert.InRange(series.Points.Count, 2, (room / 2) + 50));
        Assert.All(kept, series => Assert.Equal(Start.AddSeconds(room - 1), series.Points[^1].Time));

        Metric BucketsAt(int n, string tag) => Histogram(n, tag, [.. Enumerable.Repeat((ulong)n, Buckets)]);
    }

    [Fact]
    public void Add_SeriesOfAProcessLongHeard_HasBegunAtZero()
    {
        Add(Chat, Sum((0, 100), "old"));
        Add(Chat, Sum((1, 50), "soon"), Sum((60, 3), "new"));
        Assert.Equal([false, false, true], _store.Find("chat", "m", Name)!.Series.Select(series => series.BeganAtZero));
    }

    [Fact]
    public void Add_AfterRestart_KeepsTheLesserValue()
    {
        Add(Chat, Sum((0, 100)), Sum((1, 110)), Sum((9, 4)));
        Assert.Equal([100, 110, 4], Points().Select(point => point.Value));
    }

    [Fact]
    public void Add_Histograms_ShareTheirBounds()
    {
        Add(Chat, Histogram(0, "", 1, 2, 3), Histogram(1, "", 2, 3, 4));
        Assert.Same(Points()[0].Histogram!.Bounds, Points()[1].Histogram!.Bounds);
        Assert.Equal([2, 3, 4], Points()[1].Histogram!.Counts);
    }

    [Fact]
    public void Add_HistogramOfOtherBuckets_BeginsAnew()
    {
        Add(Chat, Histogram(0, "", 1, 2, 3), Histogram(1, "", 2, 3, 4), Histogram(2, "", 9, 9));
        Assert.Equal([9, 9], Assert.Single(Points()).Histogram!.Counts);
        Assert.False(OnlySeries().BeganAtZero);
        Add(Chat, Histogram(1, "", 5, 5, 5)); // Late: nothing begins anew for it.
        Assert.Equal([9, 9], Assert.Single(Points()).Histogram!.Counts);
    }

    [Fact]
    public void Add_GreatestCounts_CanStillBeAdded()
    {
        Add(Chat, Histogram(0, "", ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue));
        Assert.True(Points()[0].Histogram!.Count > 0);
    }

    [Fact]
    public void Find_SinceAMoment_BeginsWithTheLastPointBefore()
    {
        Add(Chat, Sum((0, 1)), Sum((10, 2)), Sum((20, 3)), Sum((30, 4)));
        Assert.Equal([2, 3, 4], Since(15));
        Assert.Equal([4], Since(60));
        Assert.Equal([1, 2, 3, 4], Since(-5));

        IEnumerable<double> Since(int second) => Assert.Single(
            _store.Find("chat", "m", Name, Start.AddSeconds(second))!.Series).Points.Select(point => point.Value);
    }

    [Fact]
    public void Clear_AnyTime_ForgetsAllAndMakesRoom()
    {
        Add(Chat, Sum((0, 1)));
        var version = _store.Version;
        _store.Clear();
        Assert.NotEqual(version, _store.Version);
        Assert.Empty(_store.Instruments(resource: null));
        Assert.Empty(_store.Sources());
        Add(Chat, Sum((60, 100)));
        // What was there before it was cleared has not begun now.
        Assert.False(OnlySeries().BeganAtZero);
    }

    private static Metric Sum((int Second, double Value) point, string tag = "", bool isDelta = false) => new()
    {
        Name = Name,
        Sum = new()
        {
            IsMonotonic = true,
            AggregationTemporality = isDelta ? 1 : 2,
            DataPoints =
            {
                new NumberPoint { TimeUnixNano = At(point.Second), AsDouble = point.Value, Attributes = { Tag(tag) } },
            },
        },
    };

    private static Metric Histogram(int second, string tag, params ulong[] counts) => new()
    {
        Name = Name,
        Histogram = new()
        {
            AggregationTemporality = 2,
            DataPoints =
            {
                new HistogramPoint
                {
                    TimeUnixNano = At(second),
                    BucketCounts = { counts },
                    ExplicitBounds = { Enumerable.Range(1, counts.Length - 1).Select(bound => (double)bound) },
                    Attributes = { Tag(tag) },
                },
            },
        },
    };

    private static void AddAttributes(Metric metric, int count, int length)
    {
        for (var n = 0; n < count; n++)
        {
            metric.Sum.DataPoints[0].Attributes.Add(
                new KeyValue { Key = $"{n}", Value = new() { StringValue = new('x', length) } });
        }
    }

    private static KeyValue Tag(string value) => new() { Key = "tag", Value = new() { StringValue = value } };

    private static ulong At(int second) => (ulong)(Start.AddSeconds(second) - DateTime.UnixEpoch).Ticks * 100;

    private int Add(TelemetrySource source, params IEnumerable<Metric> metrics) => _store.Add(source, "m", metrics);

    private Series OnlySeries() => Assert.Single(_store.Find("chat", "m", Name)!.Series);

    private IReadOnlyList<MetricPoint> Points() => OnlySeries().Points;
}
