namespace Aspire.Dashboard.Telemetry;

/// <summary>Equal steps of time, for a chart or for one figure.</summary>
/// <param name="Start">When the first step begins, in UTC.</param>
/// <param name="Step">How long each is.</param>
/// <param name="Count">How many there are.</param>
public sealed record TimeSteps(DateTime Start, TimeSpan Step, int Count)
{
    /// <summary>When step n begins.</summary>
    public DateTime At(int n) => Start + (Step * n);

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
    /// <summary>How old a value may be that still counts: a process that is gone sends no other.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(2);

    /// <summary>The value in each step, of all series together: the last one there was.</summary>
    /// <param name="series">Gauges, or sums that grow and shrink.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>A value for each step; null where there was none yet.</returns>
    public static IReadOnlyList<double?> Values(IReadOnlyList<Series> series, TimeSteps steps)
    {
        ArgumentNullException.ThrowIfNull(series);
        ArgumentNullException.ThrowIfNull(steps);
        return
        [
            .. Enumerable.Range(0, steps.Count).Select(n => series.Select(s => Fresh(s, steps.At(n + 1)))
                .Aggregate((double?)null, (sum, value) => value is null ? sum : (sum ?? 0) + value)),
        ];
    }

    /// <summary>How much sums have grown in each step, a second, of all series together.</summary>
    /// <param name="series">Sums that only grow.</param>
    /// <param name="steps">The steps.</param>
    /// <returns>A rate for each step; null where there was no point yet.</returns>
    public static IReadOnlyList<double?> Rates(IReadOnlyList<Series> series, TimeSteps steps)
    {
        ArgumentNullException.ThrowIfNull(series);
        ArgumentNullException.ThrowIfNull(steps);
        var rates = new double?[steps.Count];
        foreach (var one in series)
        {
            for (var n = 0; n < steps.Count; n++)
            {
                if (Growth(one, steps.At(n), steps.At(n + 1)) is { } growth)
                {
                    rates[n] = (rates[n] ?? 0) + (growth / steps.Step.TotalSeconds);
                }
            }
        }

        return rates;
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
        foreach (var one in series)
        {
            for (var n = 0; n < steps.Count; n++)
            {
                merged[n] = Merge(merged[n], Came(one, steps.At(n), steps.At(n + 1)));
            }
        }

        return merged;
    }

    /// <summary>The value below which a share of all values lies.</summary>
    /// <param name="histogram">The values.</param>
    /// <param name="share">From 0 to 1, such as 0.95.</param>
    /// <returns>An estimate: values are taken as evenly spread in their range; those above all bounds as the last.</returns>
    public static double Percentile(HistogramValue histogram, double share)
    {
        ArgumentNullException.ThrowIfNull(histogram);
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

        return histogram.Bounds.LastOrDefault();
    }

    private static double? Fresh(Series series, DateTime moment) =>
        At(series, moment) is { } point && moment - point.Time < MaxAge ? point.Value : null;

    private static double? Growth(Series series, DateTime from, DateTime to)
    {
        if (Before(series, from, out var start) is var before && At(series, to) is not { } end)
        {
            return null;
        }

        // A process that has started again begins at 0.
        return !before ? null : end.Value >= start.Value ? end.Value - start.Value : end.Value;
    }

    private static HistogramValue? Came(Series series, DateTime from, DateTime to)
    {
        if (!Before(series, from, out var start) || At(series, to)?.Histogram is not { } end)
        {
            return null;
        }

        if (start.Histogram is not { } h || h.Counts.Length != end.Counts.Length || h.Count > end.Count)
        {
            return end.Count > 0 ? end : null;
        }

        var counts = end.Counts.Zip(h.Counts, (x, y) => Math.Max(0, x - y)).ToArray();
        return counts.Sum() > 0 ? end with { Counts = counts } : null;
    }

    /// <summary>The point that growth is measured from: the last at a moment, or the 0 before the first.</summary>
    private static bool Before(Series series, DateTime moment, out MetricPoint point)
    {
        var found = At(series, moment) ?? (series.BeganAtZero
            ? new MetricPoint(moment, 0, Histogram: null)
            : series.Points.Count > 0 ? series.Points[0] : null);
        point = found ?? default;
        return found is not null;
    }

    private static MetricPoint? At(Series series, DateTime moment)
    {
        var (low, high) = (0, series.Points.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = series.Points[middle].Time <= moment ? (middle + 1, high) : (low, middle);
        }

        return low == 0 ? null : series.Points[low - 1];
    }

    private static HistogramValue? Merge(HistogramValue? one, HistogramValue? other) => (one, other) switch
    {
        (null, _) => other,
        (_, null) => one,
        _ when one.Bounds.AsSpan().SequenceEqual(other.Bounds) =>
            one with { Counts = [.. one.Counts.Zip(other.Counts, (x, y) => x + y)] },
        _ => one.Count >= other.Count ? one : other, // Two that cannot be added: the greater speaks.
    };
}
