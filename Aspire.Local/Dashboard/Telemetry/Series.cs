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
    private const int NumbersOfPoint = 3;
    private const int NumbersOfHistogram = 6;

    private readonly List<MetricPoint> _points = [];
    private bool _isNew = isNew;
    private TimeSpan _interval;

    /// <summary>
    /// What all points take of memory, in numbers of 8 bytes, with the room that a list holds for those to come.
    /// </summary>
    public int Numbers => (NumbersOfPoint * _points.Capacity) + (_points is [{ Histogram: { } first }, ..]
        ? (_points.Count * (NumbersOfHistogram + first.Counts.Length)) + first.Bounds.Length
        : 0);

    /// <summary>What the last point alone takes of memory, in numbers: less is not to be had.</summary>
    public int LeastNumbers => _points is [.., var last] ? LeastNumbersOf(last.Histogram) : 0;

    /// <summary>What a series of a single point takes of memory, in numbers.</summary>
    public static int LeastNumbersOf(HistogramValue? histogram) => NumbersOfPoint
        + (histogram is null ? 0 : NumbersOfHistogram + histogram.Counts.Length + histogram.Bounds.Length);

    /// <summary>Keeps a point. A histogram whose bounds are others than before begins anew.</summary>
    public void Add(SentPoint sent)
    {
        if (_points is not [.., var last])
        {
            AddFirst(sent);
        }
        else if (sent.Time <= last.Time)
        {
            // Sent twice, or late.
        }
        else if (HaveSameBuckets(sent.Histogram, last.Histogram))
        {
            AddNext(sent, last);
        }
        else
        {
            Keep(0);
            AddFirst(sent);
        }
    }

    /// <summary>Forgets the older half.</summary>
    public void Halve() => Keep((_points.Count + 1) / 2);

    /// <summary>The points as they are now.</summary>
    /// <param name="since">From the last one before this moment on.</param>
    public Series Read(DateTime since)
    {
        var first = Math.Max(0, _points.FindIndex(point => point.Time > since) is var found and >= 0
            ? found - 1
            : _points.Count - 1);
        return new(source, attributes, [.. _points[first..]], _isNew && first == 0) { Interval = _interval };
    }

    private void AddFirst(SentPoint sent)
    {
        _isNew |= sent.IsDelta;
        _points.Add(new(sent.Time, sent.Value, sent.Histogram));
    }

    private void AddNext(SentPoint sent, MetricPoint last)
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
            return;
        }

        _points.Add(point);
        if (_points.Count > Limits.Points)
        {
            _points.RemoveAt(0);
            _isNew = false;
        }
    }

    /// <summary>Keeps the last points, and no room for others: a list does not give it back by itself.</summary>
    private void Keep(int count)
    {
        _isNew &= count == _points.Count;
        _points.RemoveRange(0, _points.Count - count);
        _points.Capacity = count;
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
}
