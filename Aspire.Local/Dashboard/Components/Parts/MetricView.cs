using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>What is to be seen of an instrument.</summary>
/// <param name="Steps">The times.</param>
/// <param name="SplitBy">The attribute of which each value has a line of its own; null for all together.</param>
/// <param name="Hidden">The values of attributes that are left out.</param>
public sealed record MetricChoice(
    TimeSteps Steps, string? SplitBy, IReadOnlyDictionary<string, HashSet<string>> Hidden)
{
    /// <summary>Whether a series is to be seen.</summary>
    /// <param name="series">The series.</param>
    public bool Has(Series series) =>
        Hidden.All(attribute => !attribute.Value.Contains(MetricView.ValueOf(series, attribute.Key)));
}

/// <summary>An attribute of an instrument's series.</summary>
/// <param name="Name">The attribute.</param>
/// <param name="Values">The values that are shown; one may be empty, for series that have no such attribute.</param>
/// <param name="Total">How many values there are.</param>
public sealed record MetricDimension(string Name, IReadOnlyList<string> Values, int Total);

/// <summary>What a page shows of an instrument.</summary>
/// <param name="Info">The instrument.</param>
/// <param name="Dimensions">The attributes of its series.</param>
/// <param name="SplitBy">The attribute of which each value has a line; null for all together.</param>
/// <param name="SeriesCount">How many series are in the charts.</param>
/// <param name="Charts">What they have measured.</param>
public sealed record MetricView(
    InstrumentInfo Info, IReadOnlyList<MetricDimension> Dimensions, string? SplitBy, int SeriesCount,
    IReadOnlyList<ChartModel> Charts)
{
    /// <summary>How many values of an attribute are shown to choose from.</summary>
    public const int MaxValues = 30;

    /// <summary>The attribute that tells processes apart.</summary>
    private const string Process = "service.instance.id";

    private static readonly (string Name, double Share)[] Percentiles = [("p50", .5), ("p90", .9), ("p99", .99)];

    /// <summary>The value of a series' attribute; empty where it has none such.</summary>
    /// <param name="series">The series.</param>
    /// <param name="name">The attribute.</param>
    public static string ValueOf(Series series, string name)
    {
        ArgumentNullException.ThrowIfNull(series);
        return name == Process
            ? series.Source.Instance
            : series.Attributes.FirstOrDefault(attribute => attribute.Key == name).Value ?? "";
    }

    /// <summary>Makes what is shown.</summary>
    /// <param name="data">What was measured.</param>
    /// <param name="choice">What is to be seen of it.</param>
    public static MetricView Of(InstrumentData data, MetricChoice choice)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(choice);
        var series = data.Series.Where(choice.Has).ToList();
        var dimensions = DimensionsOf(data);
        // An address may name an attribute of another instrument.
        var by = dimensions.FirstOrDefault(dimension => dimension.Name == choice.SplitBy)?.Name;
        var groups = by is null ? [("All", series)] : Split(series, by, choice.Steps);
        var charts = ChartsOf(data.Info, groups, by is null ? "" : $" by {by}", choice.Steps);
        return new MetricView(data.Info, dimensions, by, series.Count, [.. charts]);
    }

    /// <summary>Puts series together by an attribute: as many groups as a chart has lines, the others last.</summary>
    /// <param name="series">The series.</param>
    /// <param name="name">The attribute.</param>
    /// <param name="steps">The times; groups in which the most came are kept apart.</param>
    internal static List<(string Name, List<Series> Series)> Split(
        IReadOnlyList<Series> series, string name, TimeSteps steps)
    {
        var groups = series.GroupBy(one => ValueOf(one, name))
            .Select(group => (Name: group.Key.Length > 0 ? group.Key : "(none)", Series: group.ToList()))
            .OrderBy(group => group.Name, StringComparer.Ordinal).ToList();
        if (groups.Count <= ChartModel.MaxLines)
        {
            return groups;
        }

        var kept = groups.OrderByDescending(group => MetricMath.Growth(group.Series, steps) ?? 0)
            .Take(ChartModel.MaxLines - 1).Select(group => group.Name).ToHashSet();
        return
        [
            .. groups.Where(group => kept.Contains(group.Name)),
            ($"{groups.Count - kept.Count} others",
                [.. groups.Where(group => !kept.Contains(group.Name)).SelectMany(group => group.Series)]),
        ];
    }

    private static IEnumerable<ChartModel> ChartsOf(
        InstrumentInfo info, List<(string Name, List<Series> Series)> groups, string by, TimeSteps steps)
    {
        switch (info.Kind)
        {
            case InstrumentKind.Counter:
                yield return new($"Rate a second{by}", Lines(group => MetricMath.Rates(group, steps)), steps, info.Unit,
                    IsPerSecond: true);
                break;
            case InstrumentKind.Histogram when by.Length == 0:
                var histograms = MetricMath.Histograms(groups[0].Series, steps);
                yield return new(
                    "Percentiles", [.. Percentiles.Select(p => new ChartLine(p.Name, Shares(histograms, p.Share)))],
                    steps, info.Unit);
                goto default;
            case InstrumentKind.Histogram:
                yield return new($"90th percentile{by}",
                    Lines(group => Shares(MetricMath.Histograms(group, steps), .9)), steps, info.Unit);
                goto default;
            case InstrumentKind.Gauge or InstrumentKind.UpDownCounter:
                yield return new($"Value{by}", Lines(group => MetricMath.Values(group, steps)), steps, info.Unit);
                break;
            default:
                yield return new($"Count a second{by}", Lines(group => MetricMath.Rates(group, steps)), steps, "",
                    IsPerSecond: true);
                break;
        }

        List<ChartLine> Lines(Func<IReadOnlyList<Series>, IReadOnlyList<double?>> values) =>
            [.. groups.Select(group => new ChartLine(group.Name, values(group.Series)))];
    }

    private static IReadOnlyList<double?> Shares(IReadOnlyList<HistogramValue?> histograms, double share) =>
        [.. histograms.Select(one => one is null ? null : MetricMath.Percentile(one, share))];

    private static IReadOnlyList<MetricDimension> DimensionsOf(InstrumentData data)
    {
        var names = data.Series.SelectMany(series => series.Attributes).Select(attribute => attribute.Key)
            .Distinct().Order(StringComparer.Ordinal);
        var all = data.Series.Select(series => series.Source).Distinct().Skip(1).Any() ? names.Append(Process) : names;
        return
        [
            .. all.Select(name => (Name: name, Values: data.Series.Select(series => ValueOf(series, name)).Distinct()
                    .Order(StringComparer.Ordinal).ToList()))
                .Select(all => new MetricDimension(all.Name, [.. all.Values.Take(MaxValues)], all.Values.Count)),
        ];
    }
}
