namespace Aspire.Dashboard.Telemetry;

/// <summary>Equal steps of time, for a chart or for one figure.</summary>
/// <param name="Start">When the first step begins, in UTC.</param>
/// <param name="Step">How long each is.</param>
/// <param name="Count">How many there are.</param>
public sealed record TimeSteps(DateTime Start, TimeSpan Step, int Count)
{
    /// <summary>When the last step ends.</summary>
    public DateTime End => At(Count);

    /// <summary>When step n begins.</summary>
    /// <param name="n">From 0.</param>
    public DateTime At(int n) => Start + (Step * n);

    /// <summary>The step that a moment after the start lies in; a step ends with its last moment.</summary>
    /// <param name="moment">The moment.</param>
    public int IndexOf(DateTime moment) =>
        (int)Math.Clamp(((moment - Start).Ticks - 1) / Step.Ticks, 0, Count - 1);

    /// <summary>The steps up to a moment. They begin at whole steps, so that a chart does not flicker.</summary>
    /// <param name="end">The moment.</param>
    /// <param name="span">How long all of them are.</param>
    /// <param name="count">How many.</param>
    public static TimeSteps Until(DateTime end, TimeSpan span, int count)
    {
        var step = span / count;
        var last = new DateTime(end.Ticks - (end.Ticks % step.Ticks), DateTimeKind.Utc);
        return new TimeSteps(last - (step * count), step, count);
    }
}

/// <summary>Makes of series what people want to see.</summary>
public static class MetricMath
{
    /// <summary>How old a value may be that still counts, where it is not known how often its process sends.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(2);

    /// <summary>How old it may be at least, however often its process sends.</summary>
    private static readonly TimeSpan MinAge = TimeSpan.FromSeconds(5);

    /// <summary>The value in each step, of all series together: the last one there was.</summary>
    /// <param name="series">Gauges, or sums that grow and shrink.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>A value for each step; null where there was none, or its process had long been silent.</returns>
    public static IReadOnlyList<double?> Values(IReadOnlyList<Series> series, TimeSteps steps)
    {
        ArgumentNullException.ThrowIfNull(series);
        ArgumentNullException.ThrowIfNull(steps);
        return
        [
            .. Enumerable.Range(0, steps.Count).Select(n => series.Select(s => ValueAt(s, steps.At(n + 1)))
                .Aggregate((double?)null, (sum, value) => value is null ? sum : (sum ?? 0) + value)),
        ];
    }

    /// <summary>The value that a series had at a moment.</summary>
    /// <param name="series">A gauge, or a sum that grows and shrinks.</param>
    /// <param name="moment">The moment, in UTC.</param>
    /// <returns>Null where there was none, or its process had long been silent.</returns>
    public static double? ValueAt(Series series, DateTime moment)
    {
        ArgumentNullException.ThrowIfNull(series);
        var after = CountUntil(series.Points, moment);
        if (after == 0)
        {
            return null;
        }

        var point = series.Points[after - 1];
        // Of equal points only the first and the last are kept: the value held all the time between.
        var isHeld = after < series.Points.Count && series.Points[after].Value.Equals(point.Value);
        return isHeld || moment - point.Time <= AgeLimit(series) ? point.Value : null;
    }

    /// <summary>
    /// How much sums have grown in each step, a second, of all series together; for histograms, how many values came.
    /// What came between two points is spread evenly between them, so that a process that sends once a minute does not
    /// show as one that works once a minute.
    /// </summary>
    /// <param name="series">Sums that only grow, or histograms.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>A rate for each step; null where it is not known yet.</returns>
    public static IReadOnlyList<double?> Rates(IReadOnlyList<Series> series, TimeSteps steps)
    {
        ArgumentNullException.ThrowIfNull(series);
        ArgumentNullException.ThrowIfNull(steps);
        var rates = new double?[steps.Count];
        foreach (var one in series.Where(one => one.Points.Count > 0))
        {
            var (first, last) = (one.Points[0].Time, one.Points[^1].Time);
            for (var n = first < steps.End ? steps.IndexOf(first) : steps.Count; n < steps.Count; n++)
            {
                // What came since the last point will be told; one that has long been silent counts nothing more.
                if (steps.At(n + 1) <= last || steps.At(n + 1) - last > AgeLimit(one))
                {
                    rates[n] ??= 0;
                }
            }
        }

        foreach (var (before, after) in series.SelectMany(one => Pairs(one, steps)))
        {
            Spread(Growth(before, after), before.Time, after.Time, steps, rates);
        }

        return rates;
    }

    /// <summary>How much sums have grown in all steps together, of all series together.</summary>
    /// <param name="series">Sums that only grow, or histograms.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>Null where there was no point yet.</returns>
    public static double? Growth(IReadOnlyList<Series> series, TimeSteps steps)
    {
        var rates = Rates(series, steps);
        return rates.Any(rate => rate is not null) ? rates.Sum(rate => rate ?? 0) * steps.Step.TotalSeconds : null;
    }

    /// <summary>How the values lie that came in each step, of all series together.</summary>
    /// <param name="series">Histograms.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>A histogram for each step; null where no value came.</returns>
    public static IReadOnlyList<HistogramValue?> Histograms(IReadOnlyList<Series> series, TimeSteps steps)
    {
        ArgumentNullException.ThrowIfNull(series);
        ArgumentNullException.ThrowIfNull(steps);
        var merged = new HistogramValue?[steps.Count];
        foreach (var (before, after) in series.SelectMany(one => Pairs(one, steps)))
        {
            if (after.Time > steps.Start && after.Time <= steps.End)
            {
                var n = steps.IndexOf(after.Time);
                merged[n] = Merge(merged[n], Came(before.Histogram, after.Histogram));
            }
        }

        return merged;
    }

    /// <summary>The value below which a share of all values lies.</summary>
    /// <param name="histogram">The values.</param>
    /// <param name="share">From 0 to 1, such as 0.95.</param>
    /// <returns>
    /// An estimate: values are taken as evenly spread in their range; those above all bounds as the last. Null where
    /// there are no values or no bounds.
    /// </returns>
    public static double? Percentile(HistogramValue histogram, double share)
    {
        ArgumentNullException.ThrowIfNull(histogram);
        if (histogram.Count == 0 || histogram.Bounds.Length == 0)
        {
            return null;
        }

        var rank = share * histogram.Count;
        long below = 0;
        for (var n = 0; n < histogram.Bounds.Length; n++)
        {
            var count = histogram.Counts[n];
            if (count > 0 && below + count >= rank)
            {
                var low = n == 0 ? Math.Min(0, histogram.Bounds[0]) : histogram.Bounds[n - 1];
                return low + ((histogram.Bounds[n] - low) * Math.Max(0, rank - below) / count);
            }

            below += count;
        }

        return histogram.Bounds[^1];
    }

    /// <summary>All values of several histograms.</summary>
    /// <param name="histograms">Null counts as none.</param>
    /// <returns>Null where no value came.</returns>
    public static HistogramValue? Together(IEnumerable<HistogramValue?> histograms) =>
        histograms.Aggregate((HistogramValue?)null, Merge);

    private static TimeSpan AgeLimit(Series series) => series.Interval <= TimeSpan.Zero ? MaxAge
        : TimeSpan.FromTicks(Math.Clamp(series.Interval.Ticks * 3, MinAge.Ticks, MaxAge.Ticks));

    /// <summary>
    /// The points that tell what came in the steps, each with the one before. The one before the first is the 0 that
    /// it has begun at; where it has not, the first tells nothing.
    /// </summary>
    private static IEnumerable<(MetricPoint Before, MetricPoint After)> Pairs(Series series, TimeSteps steps)
    {
        var first = CountUntil(series.Points, steps.Start);
        for (var n = first; n < series.Points.Count; n++)
        {
            var point = series.Points[n];
            if (n > 0)
            {
                yield return (series.Points[n - 1], point);
            }
            else if (series.BeganAtZero)
            {
                yield return (new MetricPoint(point.Time, 0, Histogram: null), point);
            }

            if (point.Time >= steps.End)
            {
                yield break;
            }
        }
    }

    /// <summary>A process that has started again begins at 0.</summary>
    private static double Growth(MetricPoint before, MetricPoint after)
    {
        var (start, end) = after.Histogram is { } histogram
            ? (before.Histogram?.Count ?? 0, histogram.Count)
            : (before.Value, after.Value);
        return Math.Max(0, end >= start ? end - start : end);
    }

    private static void Spread(double growth, DateTime from, DateTime to, TimeSteps steps, double?[] rates)
    {
        if (to <= steps.Start || from >= steps.End || growth == 0)
        {
            return;
        }

        if (from >= to)
        {
            rates[steps.IndexOf(to)] = (rates[steps.IndexOf(to)] ?? 0) + (growth / steps.Step.TotalSeconds);
            return;
        }

        for (var n = steps.IndexOf(from); n < steps.Count && steps.At(n) < to; n++)
        {
            var (start, end) = (steps.At(n) > from ? steps.At(n) : from, steps.At(n + 1) < to ? steps.At(n + 1) : to);
            if (end > start)
            {
                rates[n] = (rates[n] ?? 0) + (growth * ((end - start) / (to - from)) / steps.Step.TotalSeconds);
            }
        }
    }

    private static HistogramValue? Came(HistogramValue? before, HistogramValue? after)
    {
        if (after is null || before is null || before.Count > after.Count || !HaveSameBounds(before, after))
        {
            return after?.Count > 0 ? after : null;
        }

        var counts = after.Counts.Zip(before.Counts, (x, y) => Math.Max(0, x - y)).ToArray();
        return counts.Any(count => count > 0) ? after with { Counts = counts } : null;
    }

    /// <summary>How many points there are up to a moment.</summary>
    private static int CountUntil(IReadOnlyList<MetricPoint> points, DateTime moment)
    {
        var (low, high) = (0, points.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = points[middle].Time <= moment ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private static bool HaveSameBounds(HistogramValue one, HistogramValue other) =>
        one.Counts.Length == other.Counts.Length && one.Bounds.AsSpan().SequenceEqual(other.Bounds);

    private static HistogramValue? Merge(HistogramValue? one, HistogramValue? other) => (one, other) switch
    {
        (null, _) => other,
        (_, null) => one,
        _ when HaveSameBounds(one, other) =>
            one with { Counts = [.. one.Counts.Zip(other.Counts, (x, y) => x + y)] },
        _ => one.Count >= other.Count ? one : other, // Two that cannot be added: the greater speaks.
    };
}
