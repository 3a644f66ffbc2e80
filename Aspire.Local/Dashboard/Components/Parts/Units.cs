using System.Globalization;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>How values of a unit are written for people.</summary>
/// <param name="Factor">What values are multiplied with.</param>
/// <param name="Label">What stands behind the number; empty for nothing.</param>
public sealed record ValueUnit(double Factor, string Label)
{
    private static readonly (double Size, string Label)[] Bytes =
    [
        (1024d * 1024 * 1024, "GiB"), (1024d * 1024, "MiB"), (1024d, "KiB"), (1, "B"),
    ];

    private static readonly (double Size, string Label)[] Seconds = [(1, "s"), (1e-3, "ms"), (1e-6, "µs")];

    /// <summary>A unit for values of a size.</summary>
    /// <param name="ucum">The instrument's unit, as in UCUM.</param>
    /// <param name="max">The greatest of the values.</param>
    /// <param name="isPerSecond">Whether they are rates.</param>
    public static ValueUnit For(string? ucum, double max, bool isPerSecond = false)
    {
        var unit = ucum switch
        {
            null or "" or "1" => new ValueUnit(1, ""),
            "By" => Sized(Bytes, 1, max),
            "KiBy" => Sized(Bytes, 1024, max),
            // Seconds a second are a share; thousandths of it are no time.
            "s" => isPerSecond ? new(1, "s") : Sized(Seconds, 1, max),
            "ms" => isPerSecond ? new(1, "ms") : Sized(Seconds, 1e-3, max),
            "us" => isPerSecond ? new(1, "µs") : Sized(Seconds, 1e-6, max),
            "ns" => isPerSecond ? new(1, "ns") : Sized(Seconds, 1e-9, max),
            ['{', .. var thing, '}'] => new(1, Plural(thing)),
            _ => new(1, ucum),
        };
        return isPerSecond ? unit with { Label = $"{unit.Label}/s" } : unit;
    }

    /// <summary>A value with its unit.</summary>
    /// <param name="value">As it was measured; null when there is none.</param>
    public string Write(double? value) => value is not { } number || !double.IsFinite(number) ? "–"
        : Label.Length == 0 ? Show.Number(number * Factor)
        : Label[0] == '/' ? Show.Number(number * Factor) + Label
        : $"{Show.Number(number * Factor)} {Label}";

    private static ValueUnit Sized((double Size, string Label)[] sizes, double own, double max)
    {
        var fitting = sizes.FirstOrDefault(size => Math.Abs(max) * own >= size.Size, max == 0 ? sizes[0] : sizes[^1]);
        return max == 0 && own == 1 && sizes == Bytes
            ? new(1, "B")
            : new ValueUnit(own / fitting.Size, fitting.Label);
    }

    private static string Plural(string thing) => thing.ToLower(CultureInfo.InvariantCulture) switch
    {
        "" or "%" => thing,
        [.., 's' or 'x'] or [.., 'c' or 's', 'h'] => thing + "es",
        [.., not ('a' or 'e' or 'i' or 'o' or 'u'), 'y'] => thing[..^1] + "ies",
        _ => thing + "s",
    };
}
