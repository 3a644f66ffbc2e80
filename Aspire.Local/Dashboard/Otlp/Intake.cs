using Aspire.Dashboard.Otlp.Wire;
using Aspire.Dashboard.Telemetry;
using Google.Protobuf;

namespace Aspire.Dashboard.Otlp;

/// <summary>Takes in what processes send, as far as there is room and it can be read.</summary>
/// <param name="traces">Where spans go.</param>
/// <param name="logs">Where lines of logs go.</param>
/// <param name="metrics">Where points go.</param>
internal sealed class Intake(TraceStore traces, LogStore logs, MetricStore metrics)
{
    private const string Unknown = "unknown";

    private static readonly MessageParser<SpanHeader> SpanParser = SpanHeader.Parser.WithDiscardUnknownFields(true);
    private static readonly MessageParser<LogHeader> LogParser = LogHeader.Parser.WithDiscardUnknownFields(true);

    private readonly Lock _lock = new();
    private readonly HashSet<TelemetrySource> _sources = [];
    private readonly Dictionary<string, string> _names = [];

    /// <summary>Who has sent something so far.</summary>
    public IReadOnlyList<TelemetrySource> Sources
    {
        get
        {
            lock (_lock)
            {
                return [.. _sources.OrderBy(s => s.Service, StringComparer.Ordinal).ThenBy(s => s.Instance)];
            }
        }
    }

    /// <summary>Takes spans in.</summary>
    /// <returns>How many were refused.</returns>
    public int Add(ExportTraceServiceRequest request)
    {
        var (taken, refused) = (new List<Span>(), 0);
        foreach (var resource in request.ResourceSpans)
        {
            var source = SourceOf(resource.Resource);
            foreach (var scope in resource.ScopeSpans)
            {
                var name = Shared(scope.Scope?.Name);
                foreach (var bytes in scope.Spans)
                {
                    if (source is not null && ReadSpan(source, name, bytes) is { } span)
                    {
                        taken.Add(span);
                    }
                    else
                    {
                        refused++;
                    }
                }
            }
        }

        traces.Add(taken);
        return refused;
    }

    /// <summary>Takes lines of logs in.</summary>
    /// <returns>How many were refused.</returns>
    public int Add(ExportLogsServiceRequest request)
    {
        var (taken, refused) = (new List<LogEntry>(), 0);
        foreach (var resource in request.ResourceLogs)
        {
            var source = SourceOf(resource.Resource);
            foreach (var scope in resource.ScopeLogs)
            {
                var category = Shared(scope.Scope?.Name);
                foreach (var bytes in scope.LogRecords)
                {
                    if (source is not null && ReadLog(source, category, bytes) is { } entry)
                    {
                        taken.Add(entry);
                    }
                    else
                    {
                        refused++;
                    }
                }
            }
        }

        logs.Add(taken);
        return refused;
    }

    /// <summary>Takes points in.</summary>
    /// <returns>How many were refused.</returns>
    public int Add(ExportMetricsServiceRequest request)
    {
        var refused = 0;
        foreach (var resource in request.ResourceMetrics)
        {
            var source = SourceOf(resource.Resource);
            foreach (var scope in resource.ScopeMetrics)
            {
                refused += source is null
                    ? scope.Metrics.Count
                    : metrics.Add(source, Shared(scope.Scope?.Name), scope.Metrics);
            }
        }

        return refused;
    }

    private static Span? ReadSpan(TelemetrySource source, string scope, ByteString bytes)
    {
        if (bytes.Length > Limits.RecordBytes)
        {
            return null;
        }

        try
        {
            var header = SpanParser.ParseFrom(bytes);
            return header.TraceId.Length == 16 && header.SpanId.Length == 8
                ? new Span(source, scope, header, bytes.Memory)
                : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static LogEntry? ReadLog(TelemetrySource source, string category, ByteString bytes)
    {
        if (bytes.Length > Limits.RecordBytes)
        {
            return null;
        }

        try
        {
            return new LogEntry(source, category, LogParser.ParseFrom(bytes), bytes.Memory);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    /// <summary>Null when there is no room for another process.</summary>
    private TelemetrySource? SourceOf(ResourceAttributes? resource)
    {
        var service = Find("service.name") ?? Unknown;
        var source = new TelemetrySource(service, Find("service.instance.id") ?? service);
        lock (_lock)
        {
            return _sources.TryGetValue(source, out var known) ? known
                : _sources.Count < Limits.Sources && _sources.Add(source) ? source
                : null;
        }

        string? Find(string key) => resource?.Attributes.Take(Limits.Attributes)
            .FirstOrDefault(a => a.Key == key)?.Value is { } value ? Texts.Name(Texts.Of(value)) : null;
    }

    /// <summary>One and the same text for all that are equal: few names are said by very many.</summary>
    private string Shared(string? name)
    {
        var text = Texts.Name(name ?? "");
        lock (_lock)
        {
            if (!_names.TryGetValue(text, out var shared) && _names.Count < Limits.Series)
            {
                _names.Add(text, shared = text);
            }

            return shared ?? text;
        }
    }
}
