using Aspire.Dashboard.Components.Parts;
using Aspire.Dashboard.Telemetry;

namespace Dashboard.Tests;

public sealed class ChartTests
{
    private static readonly TimeSteps Steps = new(DateTime.UnixEpoch, TimeSpan.FromSeconds(1), 4);

    [Theory]
    [InlineData("s", 0.25, "250 ms")]
    [InlineData("s", 2.5, "2.5 s")]
    [InlineData("ms", 2500, "2.5 s")]
    [InlineData("By", 0, "0 B")]
    [InlineData("By", 3 * 1024 * 1024, "3 MiB")]
    [InlineData("{request}", 3, "3 requests")]
    [InlineData("{query}", 2, "2 queries")]
    [InlineData("1", 0.5, "0.5")]
    [InlineData("", 7, "7")]
    [InlineData("%", 7, "7 %")]
    public void Unit_OfAValue_IsWrittenForPeople(string unit, double value, string expected) =>
        Assert.Equal(expected, ValueUnit.For(unit, value).Write(value));

    [Theory]
    [InlineData("{chat}", "3 chats/s")]
    [InlineData("1", "3/s")]
    [InlineData("By", "3 B/s")]
    public void Unit_OfARate_IsASecond(string unit, string expected) =>
        Assert.Equal(expected, ValueUnit.For(unit, 3, isPerSecond: true).Write(3));

    [Theory]
    [InlineData(0, new double[] { 0, 0.5, 1 })]
    [InlineData(7, new double[] { 0, 5, 10 })]
    [InlineData(-7, new double[] { -10, -5, 0 })]
    public void Ticks_OfValues_AreRoundAndHaveThemBetween(double value, double[] expected) =>
        Assert.Equal(expected, Of(value, null, null, null).Ticks(2));

    [Fact]
    public void Path_WithAGap_BeginsAnew()
    {
        var chart = Of(0, null, 5, 10);
        Assert.Equal("M25 100h.1M75 50h.1L100 0", chart.Path(chart.Lines[0], [0, 10], 100, 100));
    }

    [Fact]
    public void Chart_OfNumbersThatAreNone_IsEmpty()
    {
        var chart = Of(double.NaN, double.PositiveInfinity, null, null);
        Assert.False(chart.HasValues);
        Assert.Equal("Chats. No values yet.", chart.Label);
        Assert.Equal("", chart.Path(chart.Lines[0], chart.Ticks(), 100, 100));
    }

    [Fact]
    public void Chart_OfHugeNumbers_HasAnAxis() =>
        Assert.InRange(Of(double.MaxValue, -double.MaxValue, 1e-300, null).Ticks().Count, 2, 8);

    [Fact]
    public void Label_OfAChart_SaysTheLatestValues() =>
        Assert.Equal("Chats. Latest: Stored 3 chats.", Of(1, 2, 3, null).Label);

    private static ChartModel Of(params double?[] values) =>
        new("Chats", [new ChartLine("Stored", values)], Steps, "{chat}");
}
