using System.Globalization;
using Aspire.Dashboard.Components.Parts;
using Aspire.Dashboard.Telemetry;
using Attribute = Aspire.Dashboard.Telemetry.Attribute;

namespace Dashboard.Tests;

public sealed class MetricViewTests
{
    private static readonly TimeSteps Steps = new(DateTime.UnixEpoch, TimeSpan.FromSeconds(10), 1);

    [Fact]
    public void Of_HiddenValue_LeavesItsSeriesOut()
    {
        var view = MetricView.Of(Data(3), new(Steps, null, new Dictionary<string, HashSet<string>> { ["n"] = ["1"] }));
        Assert.Equal(2, view.SeriesCount);
        Assert.Equal(["0", "1", "2"], Assert.Single(view.Dimensions).Values);
        Assert.Equal(0.2, Assert.Single(view.Charts).Lines[0].Latest!.Value, 6);
    }

    [Fact]
    public void Of_SplitByAttribute_HasALineForEachValue()
    {
        var view = MetricView.Of(Data(3), new(Steps, "n", new Dictionary<string, HashSet<string>>()));
        var chart = Assert.Single(view.Charts);
        Assert.Equal(["0", "1", "2"], chart.Lines.Select(line => line.Name));
        Assert.Equal([0, 0.1, 0.2], chart.Lines.Select(line => line.Latest!.Value));
    }

    [Fact]
    public void Of_SplitByManyValues_HasEightLinesAndLosesNothing()
    {
        var view = MetricView.Of(Data(50), new(Steps, "n", new Dictionary<string, HashSet<string>>()));
        var lines = Assert.Single(view.Charts).Lines;
        Assert.Equal(ChartModel.MaxLines, lines.Count);
        Assert.Equal("43 others", lines[^1].Name);
        Assert.Contains("49", lines.Select(line => line.Name));
        Assert.Equal(122.5, lines.Sum(line => line.Latest!.Value), 6);
        Assert.Equal((MetricView.MaxValues, 50), (view.Dimensions[0].Values.Count, view.Dimensions[0].Total));
    }

    [Fact]
    public void Of_SplitByAttributeOfNoSeries_IsAllTogether()
    {
        var view = MetricView.Of(Data(3), new(Steps, "other", new Dictionary<string, HashSet<string>>()));
        Assert.Null(view.SplitBy);
        Assert.Equal("All", Assert.Single(Assert.Single(view.Charts).Lines).Name);
    }

    /// <summary>Counters, of which the nth grows by n.</summary>
    private static InstrumentData Data(int count) => new(
        new("m", "c", "", "", InstrumentKind.Counter),
        [
            .. Enumerable.Range(0, count).Select(n => new Series(
                new("chat", "chat"), [new Attribute("n", n.ToString(CultureInfo.InvariantCulture))],
                [new(Steps.Start, 0, Histogram: null), new(Steps.End, n, Histogram: null)], BeganAtZero: false)),
        ]);
}
