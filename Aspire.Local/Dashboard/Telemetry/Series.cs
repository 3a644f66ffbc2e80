namespace Aspire.Dashboard.Telemetry;

/// <summary>What an instrument measures.</summary>
/// <param name="Meter">Its meter.</param>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it says of itself.</param>
/// <param name="Unit">Its unit (UCUM), such as <c>s</c>, <c>By</c> or <c>{request}</c>.</param>
/// <param name="Kind">How its points are to be read.</param>
public sealed record InstrumentInfo(
    string Meter, string Name, string Description, string Unit, InstrumentKind Kind)
{
    /// <summary>What it takes of memory, in bytes.</summary>
    internal int Bytes => 300 + (sizeof(char) * (Meter.Length + Name.Length + Description.Length + Unit.Length));
}

/// <summary>How points are to be read.</summary>
public enum InstrumentKind
{
    /// <summary>A value now.</summary>
    Gauge,

    /// <summary>A sum that only grows.</summary>
    Counter,

    /// <summary>A sum that grows and shrinks.</summary>
    UpDownCounter,

    /// <summary>How many values there were, in ranges.</summary>
    Histogram,
}

/// <summary>An instrument with its points.</summary>
/// <param name="Info">What it is.</param>
/// <param name="Series">One for each process and each combination of attributes.</param>
public sealed record InstrumentData(InstrumentInfo Info, IReadOnlyList<Series> Series);

/// <summary>The points of one process and one combination of attributes.</summary>
/// <param name="Source">The process.</param>
/// <param name="Attributes">What it is a series of, by name.</param>
/// <param name="Points">In order of time; equal ones in a row are two: the first and the last.</param>
/// <param name="BeganAtZero">Whether a sum was 0 before its first point.</param>
public sealed record Series(
    TelemetrySource Source, IReadOnlyList<Attribute> Attributes, IReadOnlyList<MetricPoint> Points, bool BeganAtZero)
{
    /// <summary>How long the last point came after the one before, as sent; 0 where it is not known.</summary>
    public TimeSpan Interval { get; init; }
}

/// <summary>A point of a series. Sums and histograms are since the start of the process.</summary>
/// <param name="Time">When, in UTC.</param>
/// <param name="Value">The number; of a histogram the sum of all values.</param>
/// <param name="Histogram">Of a histogram, how the values lie.</param>
public readonly record struct MetricPoint(DateTime Time, double Value, HistogramValue? Histogram);

/// <summary>How many values there were in which range.</summary>
/// <param name="Counts">The numbers: of values up to the first bound, up to the second …, above the last.</param>
/// <param name="Bounds">The bounds; one fewer than counts.</param>
public sealed record HistogramValue(long[] Counts, double[] Bounds)
{
    /// <summary>The greatest count there is: those of all series, added, are still a number.</summary>
    internal const long MaxCount = 1L << 42;

    /// <summary>How many values there were.</summary>
    public long Count => Counts.Sum();
}

/// <summary>Collects the points of one series. Not for several threads.</summary>
internal sealed class SeriesPoints(TelemetrySource source, IReadOnlyList<Attribute> attributes, bool isNew)
{
    /// <summary>What a point takes of memory, in numbers of 8 bytes. A histogram's takes its buckets besides.</summary>
    private const int NumbersOfPoint = 3;

    private const int NumbersOfHistogram = 6;

    private readonly List<MetricPoint> _points = [];
    private bool _isNew = isNew;
    private TimeSpan _interval;

    /// <summary>Keeps a point. A histogram whose bounds are others than before begins anew.</summary>
    /// <returns>How much more memory it takes, in numbers.</returns>
    public int Add(SentPoint sent)
    {
        if (_points.Count == 0)
        {
            return AddFirst(sent);
        }

        if (sent.Time <= _points[^1].Time)
        {
            return 0; // Sent twice, or late.
        }

        if (HaveSameBuckets(sent.Histogram, _points[^1].Histogram))
        {
            return AddNext(sent, _points[^1]);
        }

        var freed = Numbers();
        _points.Clear();
        _isNew = false;
        return AddFirst(sent) - freed;
    }

    /// <summary>Forgets the older half.</summary>
    /// <returns>How much memory the rest takes, in numbers.</returns>
    public int Halve()
    {
        if (_points.Count > 1)
        {
            _points.RemoveRange(0, _points.Count / 2);
            _isNew = false;
        }

        return Numbers();
    }

    /// <summary>The points as they are now.</summary>
    /// <param name="since">From the last one before this moment on.</param>
    public Series Read(DateTime since)
    {
        var first = Math.Max(0, _points.FindIndex(point => point.Time > since) is var found and >= 0
            ? found - 1
            : _points.Count - 1);
        return new(source, attributes, [.. _points[first..]], _isNew && first == 0) { Interval = _interval };
    }

    private int AddFirst(SentPoint sent)
    {
        _isNew |= sent.IsDelta;
        _points.Add(new(sent.Time, sent.Value, sent.Histogram));
        return Numbers();
    }

    private int AddNext(SentPoint sent, MetricPoint last)
    {
        // All points have the same bounds: they are kept once.
        var histogram = last.Histogram is { } before ? sent.Histogram! with { Bounds = before.Bounds } : sent.Histogram;
        var point = new MetricPoint(sent.Time, sent.Value, histogram);
        if (sent.IsDelta)
        {
            point = Sum(last, point);
        }

        _interval = sent.Time - last.Time;
        if (_points.Count > 1 && IsSame(point, last) && IsSame(point, _points[^2]))
        {
            _points[^1] = point with { Histogram = last.Histogram };
            return 0;
        }

        _points.Add(point);
        if (_points.Count <= Limits.Points)
        {
            return NumbersOf(point);
        }

        var first = _points[0];
        _points.RemoveAt(0);
        _isNew = false;
        return NumbersOf(point) - NumbersOf(first);
    }

    private static bool HaveSameBuckets(HistogramValue? one, HistogramValue? other) => (one, other) switch
    {
        (null, null) => true,
        ({ } a, { } b) => a.Counts.Length == b.Counts.Length && a.Bounds.AsSpan().SequenceEqual(b.Bounds),
        _ => false,
    };

    private static bool IsSame(MetricPoint one, MetricPoint other) =>
        one.Value.Equals(other.Value)
        && (one.Histogram?.Counts).AsSpan().SequenceEqual(other.Histogram?.Counts);

    private static MetricPoint Sum(MetricPoint before, MetricPoint delta) => new(
        delta.Time,
        before.Value + delta.Value,
        (before.Histogram, delta.Histogram) is ({ } a, { } b)
            ? b with { Counts = [.. a.Counts.Zip(b.Counts, (x, y) => Math.Min(x + y, HistogramValue.MaxCount))] }
            : null);

    private int Numbers() => _points.Sum(NumbersOf) + (_points[0].Histogram?.Bounds.Length ?? 0);

    private static int NumbersOf(MetricPoint point) =>
        NumbersOfPoint + (point.Histogram is { } histogram ? NumbersOfHistogram + histogram.Counts.Length : 0);
}
