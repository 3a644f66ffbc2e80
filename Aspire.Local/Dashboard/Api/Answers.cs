using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Api;

/// <summary>The latest of many.</summary>
/// <param name="Items">The latest first.</param>
/// <param name="Total">How many there are.</param>
internal sealed record Page<T>(IReadOnlyList<T> Items, int Total);

/// <summary>A process, or a resource without one.</summary>
internal sealed record ResourceAnswer(
    string Name, string Id, string? Kind, string? State, string? Health, DateTime? Started, int? Pid, int? ExitCode,
    IReadOnlyList<string> Urls, bool HasTelemetry);

/// <summary>A trace; with its spans where one was asked for.</summary>
internal sealed record TraceAnswer(
    string TraceId, string Name, DateTime Start, double DurationMs, int Errors, IReadOnlyList<string> Resources,
    int SpanCount, IReadOnlyList<SpanAnswer>? Spans)
{
    private const int MaxSpans = 1_000;

    public static TraceAnswer Of(Trace trace, bool withSpans = false) => new(
        trace.Id, trace.First.Name, trace.Start, trace.Duration.TotalMilliseconds, trace.ErrorCount,
        [.. trace.Services.Select(service => service.Service)], trace.Spans.Count,
        withSpans ? [.. trace.Tree().Take(MaxSpans).Select(node => SpanAnswer.Of(node.Span))] : null);
}

/// <summary>A span.</summary>
internal sealed record SpanAnswer(
    string TraceId, string SpanId, string? ParentId, string Name, string Kind, string Resource, string Instance,
    string Scope, DateTime Start, double DurationMs, bool IsError, string? Status,
    IReadOnlyDictionary<string, string> Attributes)
{
    public static SpanAnswer Of(Span span) => new(
        span.TraceId, span.Id, span.ParentId, span.Name, span.Kind.ToString(), span.Source.Service,
        span.Source.Instance, span.Scope, span.Start, span.Duration.TotalMilliseconds, span.IsError,
        span.StatusMessage, Answers.Dictionary(span.ReadDetails().Attributes));
}

/// <summary>A line of a structured log.</summary>
internal sealed record LogAnswer(
    DateTime Time, string Level, string Resource, string Instance, string Category, string Message, string? TraceId,
    string? SpanId, IReadOnlyDictionary<string, string> Attributes)
{
    public static LogAnswer Of(LogEntry entry) => new(
        entry.Time, entry.Level.ToString(), entry.Source.Service, entry.Source.Instance, entry.Category,
        entry.Message, entry.TraceId, entry.SpanId, Answers.Dictionary(entry.ReadAttributes()));
}

/// <summary>What an instrument measures.</summary>
internal sealed record InstrumentAnswer(string Meter, string Name, string Kind, string Unit, string Description)
{
    public static InstrumentAnswer Of(InstrumentInfo info) =>
        new(info.Meter, info.Name, info.Kind.ToString(), info.Unit, info.Description);
}

/// <summary>A series of a metric: its latest point.</summary>
internal sealed record SeriesAnswer(
    string Resource, string Instance, IReadOnlyDictionary<string, string> Attributes, DateTime Time, double Value,
    long? Count)
{
    public static SeriesAnswer Of(Series series)
    {
        var last = series.Points[^1];
        return new(
            series.Source.Service, series.Source.Instance, Answers.Dictionary(series.Attributes), last.Time, last.Value,
            last.Histogram?.Count);
    }
}

internal static class Answers
{
    /// <summary>Attributes by name. Of two with one name, which nobody should send, the last.</summary>
    public static Dictionary<string, string> Dictionary(IReadOnlyList<Telemetry.Attribute> attributes)
    {
        var dictionary = new Dictionary<string, string>();
        foreach (var attribute in attributes)
        {
            dictionary[attribute.Key] = attribute.Value;
        }

        return dictionary;
    }
}
