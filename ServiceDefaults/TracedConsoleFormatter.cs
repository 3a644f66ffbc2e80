using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// A line for each entry of the log: when, how bad, who, in which trace, what. The trace (W3C Trace Context) is that in
/// the <c>traceId</c> of an error, and the same in all services that a request went through.
/// </summary>
internal sealed class TracedConsoleFormatter() : ConsoleFormatter(FormatterName)
{
    /// <summary>The formatter's name.</summary>
    public const string FormatterName = "traced";

    private const string NoTrace = "-";

    /// <inheritdoc/>
    public override void Write<TState>(
        in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        var trace = Activity.Current?.TraceId.ToHexString() ?? NoTrace;
        textWriter.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {Word(logEntry.LogLevel)} {logEntry.Category} {trace} "));
        textWriter.WriteLine(Indented(message));
        if (logEntry.Exception is { } exception)
        {
            textWriter.WriteLine($"  {Indented(exception.ToString())}");
        }
    }

    /// <summary>Nobody can make lines of their own by what they send, nor paint them.</summary>
    private static string Indented(string text)
    {
        var lines = text.ReplaceLineEndings("\n  ");
        return lines.Any(IsUnfit) ? string.Concat(lines.Select(c => IsUnfit(c) ? '?' : c)) : lines;
    }

    private static bool IsUnfit(char c) => char.IsControl(c) && c is not ('\n' or '\t');

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace => "trce",
        LogLevel.Debug => "dbug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "fail",
        _ => "crit",
    };
}
