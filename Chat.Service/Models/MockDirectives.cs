using System.Globalization;
using System.Text.RegularExpressions;

namespace Chat.Service.Models;

/// <summary>
/// What a message may ask of a mock in Development: <c>[[delay 5s]]</c>, <c>[[error]]</c>, <c>[[stall]]</c>,
/// <c>[[cut 3]]</c>. The number is of words before it happens. What is written otherwise is text like any other.
/// </summary>
internal static partial class MockDirectives
{
    /// <summary>A script with what a message asks for.</summary>
    /// <param name="script">The script.</param>
    /// <param name="message">The message.</param>
    public static MockScript With(this MockScript script, string message)
    {
        if (!message.Contains("[[", StringComparison.Ordinal))
        {
            return script;
        }

        script = Delay().Match(message) is { Success: true } delay ? script with { Delay = Time(delay) } : script;
        foreach (Match match in AfterWords().Matches(message))
        {
            var words = match.Groups["words"] is { Success: true, Value: var text }
                ? int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture)
                : 0;
            script = match.Groups["what"].Value switch
            {
                "error" => script with { Error = words },
                "stall" => script with { Stall = words },
                _ => script with { Cut = words },
            };
        }

        return script;
    }

    private static TimeSpan Time(Match delay)
    {
        var number = int.Parse(delay.Groups["number"].Value, NumberStyles.None, CultureInfo.InvariantCulture);
        return delay.Groups["unit"].Value is "ms" ? TimeSpan.FromMilliseconds(number) : TimeSpan.FromSeconds(number);
    }

    [GeneratedRegex(@"\[\[delay (?<number>[0-9]{1,5})(?<unit>ms|s)\]\]", RegexOptions.CultureInvariant)]
    private static partial Regex Delay();

    [GeneratedRegex(@"\[\[(?<what>error|stall|cut)(?: (?<words>[0-9]{1,5}))?\]\]", RegexOptions.CultureInvariant)]
    private static partial Regex AfterWords();
}
