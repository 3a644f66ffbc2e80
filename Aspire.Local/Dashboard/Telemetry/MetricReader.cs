using Aspire.Dashboard.Otlp.Wire;
using Google.Protobuf.Collections;

namespace Aspire.Dashboard.Telemetry;

/// <summary>A point as it was sent.</summary>
/// <param name="Time">When it was taken, in UTC.</param>
/// <param name="Value">The number; of a histogram the sum.</param>
/// <param name="Histogram">Of a histogram, how the values lie.</param>
/// <param name="IsDelta">Whether it is what came since the point before, and not since the start.</param>
/// <param name="Attributes">What it is a point of.</param>
internal sealed record SentPoint(
    DateTime Time, double Value, HistogramValue? Histogram, bool IsDelta, IReadOnlyList<Attribute> Attributes)
{
    /// <summary>The attributes in one text, by which series are told apart.</summary>
    public string Key { get; } = string.Join('\u001f', Attributes.Select(a => $"{a.Key}={a.Value}"));

    /// <summary>What it takes of memory when it is the only one of its series, in numbers of 8 bytes.</summary>
    public int LeastNumbers => SeriesPoints.LeastNumbersOf(Histogram);

    /// <summary>What its series takes of memory without its points, in bytes: its texts are there twice.</summary>
    public int SeriesBytes => 250 + (2 * sizeof(char) * Key.Length) + (100 * Attributes.Count);
}

/// <summary>Reads the points of all kinds of metrics that are shown.</summary>
internal static class MetricReader
{
    private const int DeltaTemporality = 1;

    /// <summary>The points of a metric; none of a kind that is not shown (summaries, exponential histograms).</summary>
    public static IReadOnlyList<SentPoint> Read(Metric metric, out InstrumentKind kind)
    {
        switch (metric.DataCase)
        {
            case Metric.DataOneofCase.Gauge:
                kind = InstrumentKind.Gauge;
                return Numbers(metric.Gauge.DataPoints, isDelta: false);
            case Metric.DataOneofCase.Sum:
                kind = metric.Sum.IsMonotonic ? InstrumentKind.Counter : InstrumentKind.UpDownCounter;
                return Numbers(metric.Sum.DataPoints, metric.Sum.AggregationTemporality == DeltaTemporality);
            case Metric.DataOneofCase.Histogram:
                kind = InstrumentKind.Histogram;
                return Histograms(
                    metric.Histogram.DataPoints, metric.Histogram.AggregationTemporality == DeltaTemporality);
            default:
                kind = InstrumentKind.Gauge;
                return [];
        }
    }

    private static SentPoint[] Numbers(RepeatedField<NumberPoint> points, bool isDelta) =>
    [
        .. points.Select(point => new SentPoint(
            Times.FromUnixNano(point.TimeUnixNano),
            Finite(point.ValueCase == NumberPoint.ValueOneofCase.AsInt ? point.AsInt : point.AsDouble),
            Histogram: null, isDelta, Dimensions(point.Attributes))),
    ];

    private static SentPoint[] Histograms(RepeatedField<Otlp.Wire.HistogramPoint> points, bool isDelta) =>
    [
        .. points.Where(point => point.BucketCounts.Count <= Limits.Buckets
                && point.ExplicitBounds.Count == Math.Max(0, point.BucketCounts.Count - 1))
            .Select(point => new SentPoint(
                Times.FromUnixNano(point.TimeUnixNano), Finite(point.Sum),
                new(
                    [.. point.BucketCounts.Select(n => (long)Math.Min(n, HistogramValue.MaxCount))],
                    [.. point.ExplicitBounds.Select(Finite)]),
                isDelta, Dimensions(point.Attributes))),
    ];

    private static double Finite(double value) => double.IsFinite(value) ? value : 0;

    private static Attribute[] Dimensions(RepeatedField<KeyValue> attributes) =>
    [
        .. attributes.Take(Limits.Attributes)
            .Select(a => new Attribute(Texts.Name(a.Key), Texts.Name(Texts.Of(a.Value))))
            .OrderBy(a => a.Key, StringComparer.Ordinal),
    ];
}
