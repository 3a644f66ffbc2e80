using System.Globalization;

namespace Identity.Service;

/// <summary>A chat of the Django project.</summary>
/// <param name="Id">The primary key, as text.</param>
/// <param name="Message">What the user said.</param>
/// <param name="Response">What the model answered.</param>
/// <param name="Time">When, as it is written there.</param>
internal sealed record DjangoChat(string Id, string Message, string Response, string Time);

/// <summary>Times as Django writes them to SQLite: <c>2025-01-06 12:34:56.789012</c>, in UTC.</summary>
internal static class DjangoTime
{
    /// <summary>Reads a time.</summary>
    /// <param name="text">What is written.</param>
    /// <returns>The time; null when it is none.</returns>
    public static DateTimeOffset? Parse(string text) => DateTimeOffset.TryParse(
        text,
        CultureInfo.InvariantCulture,
        DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
        out var time)
        ? time
        : null;
}
