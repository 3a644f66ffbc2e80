using System.Globalization;
using System.Text;
using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>A line of a chart.</summary>
/// <param name="Name">What the legend calls it.</param>
/// <param name="Values">A value for each step; null where there is none.</param>
public sealed record ChartLine(string Name, IReadOnlyList<double?> Values)
{
    /// <summary>The last value there is.</summary>
    public double? Latest => Values.LastOrDefault(value => value is { } number && double.IsFinite(number));
}

/// <summary>What a chart shows.</summary>
/// <param name="Title">What it is of.</param>
/// <param name="Lines">The lines; one colour for each, of which there are eight.</param>
/// <param name="Steps">The times.</param>
/// <param name="Unit">The unit of the values, as in UCUM.</param>
/// <param name="IsPerSecond">Whether they are rates.</param>
public sealed record ChartModel(
    string Title, IReadOnlyList<ChartLine> Lines, TimeSteps Steps, string Unit, bool IsPerSecond = false)
{
    /// <summary>How many lines a chart shows at most.</summary>
    public const int MaxLines = 8;

    /// <summary>Whether there is any value.</summary>
    public bool HasValues => Values.Any();

    /// <summary>How values are written.</summary>
    public ValueUnit ValueUnit { get; } = ValueUnit.For(Unit, Extreme(Lines), IsPerSecond);

    private IEnumerable<double> Values => Finite(Lines);

    /// <summary>What somebody who does not see it is told.</summary>
    public string Label => HasValues
        ? $"{Title}. Latest: {string.Join(", ", Lines.Select(line => $"{line.Name} {ValueUnit.Write(line.Latest)}"))}."
        : $"{Title}. No values yet.";

    private static double Extreme(IReadOnlyList<ChartLine> lines) =>
        Finite(lines).Select(Math.Abs).DefaultIfEmpty(0).Max();

    private static IEnumerable<double> Finite(IReadOnlyList<ChartLine> lines) =>
        lines.SelectMany(line => line.Values).Where(value => value is { } number && double.IsFinite(number))
            .Select(value => value!.Value);

    /// <summary>Round numbers for the axis, in the measured unit: from 0 or less to above all values.</summary>
    /// <param name="count">About how many.</param>
    public IReadOnlyList<double> Ticks(int count = 4)
    {
        var factor = ValueUnit.Factor;
        var low = Math.Min(0, Values.DefaultIfEmpty(0).Min() * factor);
        var high = Math.Max(0, Values.DefaultIfEmpty(0).Max() * factor);
        if (!double.IsFinite(high - low))
        {
            return [0, 1];
        }

        if (high <= low)
        {
            high = low + 1;
        }

        var size = RoundUp((high - low) / count);
        var (first, last) = (Math.Floor(low / size), Math.Ceiling(high / size));
        return [.. Enumerable.Range(0, (int)(last - first) + 1).Select(n => (first + n) * size / factor)];
    }

    /// <summary>A line as an SVG path in a box of given size; gaps stay gaps.</summary>
    /// <param name="line">The line.</param>
    /// <param name="ticks">The axis.</param>
    /// <param name="width">The box's width.</param>
    /// <param name="height">Its height.</param>
    public string Path(ChartLine line, IReadOnlyList<double> ticks, double width, double height)
    {
        var path = new StringBuilder();
        var (low, range, isDrawing) = (ticks[0], ticks[^1] - ticks[0], false);
        for (var n = 0; n < line.Values.Count; n++)
        {
            if (line.Values[n] is not { } value || !double.IsFinite(value))
            {
                isDrawing = false;
                continue;
            }

            var x = width * (n + 1) / Steps.Count;
            var y = Math.Clamp(height * (1 - ((value - low) / range)), 0, height);
            path.Append(CultureInfo.InvariantCulture, $"{(isDrawing ? 'L' : 'M')}{x:0.#} {y:0.#}");
            // A value between two gaps is a dot.
            path.Append(isDrawing ? "" : "h.1");
            isDrawing = true;
        }

        return path.ToString();
    }

    private static double RoundUp(double size)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(size)));
        return (size / power) switch { <= 1 => 1, <= 2 => 2, <= 2.5 => 2.5, <= 5 => 5, _ => 10 } * power;
    }
}
