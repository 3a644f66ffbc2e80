using System.Globalization;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>Writes values for people. Times are those of the machine on which the dashboard runs.</summary>
public static class Show
{
    /// <summary>A time of day with milliseconds.</summary>
    /// <param name="utc">The time in UTC.</param>
    public static string Time(DateTime utc) =>
        utc.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    /// <summary>A time of day.</summary>
    /// <param name="utc">The time in UTC.</param>
    public static string Second(DateTime utc) => utc.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    /// <summary>A date and time.</summary>
    /// <param name="utc">The time in UTC.</param>
    public static string DateAndTime(DateTime utc) =>
        utc.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture);

    /// <summary>A duration in the unit that suits it.</summary>
    /// <param name="duration">The duration.</param>
    public static string Duration(TimeSpan duration) => duration switch
    {
        { TotalMilliseconds: < 1 } => $"{Number(duration.TotalMicroseconds)} µs",
        { TotalSeconds: < 1 } => $"{Number(duration.TotalMilliseconds)} ms",
        { TotalMinutes: < 1 } => $"{Number(duration.TotalSeconds)} s",
        _ => duration.ToString(duration.TotalHours < 1 ? @"m\:ss" : @"d\.hh\:mm\:ss", CultureInfo.InvariantCulture),
    };

    /// <summary>A number with three digits that count.</summary>
    /// <param name="value">The number.</param>
    public static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        < 0.001 => value.ToString("0.##e0", CultureInfo.InvariantCulture),
        < 1 => value.ToString("0.###", CultureInfo.InvariantCulture),
        < 10 => value.ToString("0.##", CultureInfo.InvariantCulture),
        < 100 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("#,0", CultureInfo.InvariantCulture),
    };

    /// <summary>
    /// A colour for a resource, the same everywhere: the number of one of the classes <c>hue-0</c> to <c>hue-7</c>.
    /// </summary>
    /// <param name="name">The resource.</param>
    public static int Hue(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return (int)(name.Aggregate(17u, (hash, letter) => (hash * 31) + letter) % 8);
    }

    /// <summary>An address with parameters; those that are empty are left out.</summary>
    /// <param name="path">The page.</param>
    /// <param name="parameters">Names and values.</param>
    public static string Address(string path, params (string Name, string? Value)[] parameters)
    {
        var query = string.Join('&', parameters.Where(p => !string.IsNullOrEmpty(p.Value))
            .Select(p => $"{p.Name}={Uri.EscapeDataString(p.Value!)}"));
        return query.Length == 0 ? path : $"{path}?{query}";
    }
}
