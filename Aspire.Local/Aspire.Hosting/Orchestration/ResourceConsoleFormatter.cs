using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Console lines with the resource's name in front; the AppHost's own lines have <c>aspire</c> there.
/// </summary>
internal sealed class ResourceConsoleFormatter() : ConsoleFormatter(FormatterName)
{
    /// <summary>The name under which the formatter is chosen.</summary>
    public const string FormatterName = "resources";

    private const string ResourceCategory = ".Resources.";
    private const int NameWidth = 12;

    /// <summary>The log category of a resource's output.</summary>
    public static string Category(string applicationName, string resourceId) =>
        applicationName + ResourceCategory + resourceId;

    public override void Write<TState>(
        in LogEntry<TState> entry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var at = entry.Category.IndexOf(ResourceCategory, StringComparison.Ordinal);
        var name = at < 0 ? "aspire" : entry.Category[(at + ResourceCategory.Length)..];
        var level = at < 0 && entry.LogLevel >= LogLevel.Warning ? entry.LogLevel + ": " : "";
        textWriter.WriteLine($"{name.PadRight(NameWidth)} | {level}{entry.Formatter(entry.State, entry.Exception)}");
        if (entry.Exception is { } exception)
        {
            textWriter.WriteLine($"{name.PadRight(NameWidth)} | {exception}");
        }
    }
}
