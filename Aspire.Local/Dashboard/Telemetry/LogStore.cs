using Aspire.Dashboard.Otlp.Wire;

namespace Aspire.Dashboard.Telemetry;

/// <summary>A line of a structured log.</summary>
public sealed class LogEntry
{
    private readonly ReadOnlyMemory<byte> _bytes;

    internal LogEntry(TelemetrySource source, string category, LogHeader header, ReadOnlyMemory<byte> bytes)
    {
        (Source, Category, _bytes) = (source, category, bytes);
        Time = Times.FromUnixNano(header.TimeUnixNano > 0 ? header.TimeUnixNano : header.ObservedTimeUnixNano);
        Level = LevelOf(header.SeverityNumber);
        Message = Texts.Text(Texts.Of(header.Body));
        // An id of another length is none (OTLP, LogRecord).
        TraceId = header.TraceId.Length == 16 ? Convert.ToHexStringLower(header.TraceId.Span) : null;
        SpanId = header.SpanId.Length == 8 ? Convert.ToHexStringLower(header.SpanId.Span) : null;
    }

    /// <summary>Its number, from 1, in the order in which lines came.</summary>
    public long Number { get; internal set; }

    /// <summary>Who wrote it.</summary>
    public TelemetrySource Source { get; }

    /// <summary>The logger's name.</summary>
    public string Category { get; }

    /// <summary>When, in UTC.</summary>
    public DateTime Time { get; }

    /// <summary>How bad it is.</summary>
    public LogLevel Level { get; }

    /// <summary>What it says.</summary>
    public string Message { get; }

    /// <summary>The trace in which it was written; null when in none.</summary>
    public string? TraceId { get; }

    /// <summary>The span in which it was written; null when in none.</summary>
    public string? SpanId { get; }

    /// <summary>How much of memory it takes, in bytes, without what all of them do.</summary>
    internal int Bytes => _bytes.Length + (sizeof(char) * Message.Length);

    /// <summary>Reads what only those who look at it need.</summary>
    public IReadOnlyList<Attribute> ReadAttributes() =>
        Texts.Attributes(LogBody.Parser.WithDiscardUnknownFields(true).ParseFrom(_bytes.Span).Attributes);

    /// <summary>OTLP has four numbers for each level, from 1 on.</summary>
    private static LogLevel LevelOf(int number) =>
        number < 1 ? LogLevel.Information : (LogLevel)Math.Min((number - 1) / 4, (int)LogLevel.Critical);
}

/// <summary>The latest lines of structured logs.</summary>
public sealed class LogStore
{
    private readonly Lock _lock = new();
    private readonly Ring<LogEntry> _ring = new(Limits.Logs, Limits.LogsBytes, entry => entry.Bytes);
    private long _version;

    /// <summary>Grows with each change.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Keeps lines.</summary>
    /// <param name="entries">The lines of one request.</param>
    public void Add(IReadOnlyList<LogEntry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        lock (_lock)
        {
            foreach (var entry in entries)
            {
                entry.Number = ++_version;
                _ring.Add(entry);
            }
        }
    }

    /// <summary>The lines that a filter lets through, the latest first.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="max">How many at most.</param>
    /// <returns>The lines, and how many there are without <paramref name="max"/>.</returns>
    public (IReadOnlyList<LogEntry> Entries, int Total) Find(LogFilter filter, int max)
    {
        ArgumentNullException.ThrowIfNull(filter);
        LogEntry[] all;
        lock (_lock)
        {
            all = _ring.ToArray();
        }

        var found = all.Where(filter.Admits).OrderByDescending(entry => entry.Time).ThenByDescending(e => e.Number)
            .ToList();
        return (found.Count > max ? found[..max] : found, found.Count);
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _ring.Clear();
            _version++;
        }
    }
}

/// <summary>Which lines of logs.</summary>
public sealed record LogFilter
{
    /// <summary>Those of this resource, or of this process.</summary>
    public string? Resource { get; init; }

    /// <summary>Those that are at least so bad.</summary>
    public LogLevel MinLevel { get; init; }

    /// <summary>Those in whose message, category or attributes this text is.</summary>
    public string? Text { get; init; }

    /// <summary>Those of this trace, given by its id or the beginning of it.</summary>
    public string? TraceId { get; init; }

    /// <summary>Those of this span.</summary>
    public string? SpanId { get; init; }

    internal bool Admits(LogEntry entry) =>
        entry.Level >= MinLevel
        && (Resource is null || entry.Source.Service == Resource || entry.Source.Instance == Resource)
        && (string.IsNullOrWhiteSpace(TraceId)
            || entry.TraceId?.StartsWith(TraceId.Trim(), StringComparison.OrdinalIgnoreCase) == true)
        && (SpanId is null || entry.SpanId == SpanId)
        && (string.IsNullOrWhiteSpace(Text) || HasText(entry, Text.Trim()));

    private static bool HasText(LogEntry entry, string text) =>
        entry.Message.Contains(text, StringComparison.OrdinalIgnoreCase)
        || entry.Category.Contains(text, StringComparison.OrdinalIgnoreCase)
        || entry.ReadAttributes().Any(a => a.Value.Contains(text, StringComparison.OrdinalIgnoreCase));
}
