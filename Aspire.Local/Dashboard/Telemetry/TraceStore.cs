namespace Aspire.Dashboard.Telemetry;

/// <summary>The latest spans, by trace.</summary>
public sealed class TraceStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<Span>> _traces = [];
    private readonly Ring<Span> _ring;
    private long _version;

    /// <summary>Makes an empty store.</summary>
    public TraceStore() => _ring = new(Limits.Spans, Limits.SpansBytes, span => span.Bytes, Forget);

    /// <summary>Grows with each change.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Keeps spans.</summary>
    /// <param name="spans">The spans of one request.</param>
    public void Add(IReadOnlyList<Span> spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        lock (_lock)
        {
            foreach (var span in spans)
            {
                if (!_traces.TryGetValue(span.TraceId, out var trace))
                {
                    _traces.Add(span.TraceId, trace = []);
                }

                trace.Add(span);
                _ring.Add(span);
            }
        }

        Interlocked.Increment(ref _version);
    }

    /// <summary>One trace.</summary>
    /// <param name="traceId">Its id, or the beginning of it, 7 digits at least.</param>
    /// <returns>The trace; null when it is not kept.</returns>
    public Trace? Find(string traceId)
    {
        ArgumentNullException.ThrowIfNull(traceId);
        lock (_lock)
        {
            var spans = _traces.GetValueOrDefault(traceId) ?? (traceId.Length < Trace.ShortIdLength
                ? null
                : _traces.FirstOrDefault(trace => IsStart(trace.Key, traceId)).Value);
            return spans is null ? null : new Trace([.. spans]);
        }
    }

    /// <summary>The traces that a filter lets through, the latest first.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="max">How many at most.</param>
    /// <returns>The traces, and how many there are without <paramref name="max"/>.</returns>
    public (IReadOnlyList<Trace> Traces, int Total) Find(TraceFilter filter, int max)
    {
        ArgumentNullException.ThrowIfNull(filter);
        List<Trace> all;
        lock (_lock)
        {
            all = [.. _traces.Values.Select(spans => new Trace([.. spans]))];
        }

        var found = all.Where(filter.Admits).OrderByDescending(trace => trace.Start).ToList();
        return (found.Count > max ? found[..max] : found, found.Count);
    }

    /// <summary>All spans, the latest last.</summary>
    public IReadOnlyList<Span> Spans()
    {
        lock (_lock)
        {
            return _ring.ToArray();
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _ring.Clear();
            _traces.Clear();
        }

        Interlocked.Increment(ref _version);
    }

    private static bool IsStart(string id, string start) => id.StartsWith(start, StringComparison.OrdinalIgnoreCase);

    private void Forget(Span span)
    {
        var trace = _traces[span.TraceId];
        if (trace.Count == 1)
        {
            _traces.Remove(span.TraceId);
        }
        else
        {
            trace.Remove(span); // It is the first, or one of the first.
        }
    }
}

/// <summary>Which traces.</summary>
public sealed record TraceFilter
{
    /// <summary>Those in which this resource takes part.</summary>
    public string? Resource { get; init; }

    /// <summary>Those in whose names, or id, this text is.</summary>
    public string? Text { get; init; }

    /// <summary>Those that took at least so long.</summary>
    public TimeSpan MinDuration { get; init; }

    /// <summary>Those with an error.</summary>
    public bool OnlyErrors { get; init; }

    internal bool Admits(Trace trace) =>
        (Resource is null || trace.Spans.Any(span => span.Source.Service == Resource))
        && trace.Duration >= MinDuration
        && (!OnlyErrors || trace.ErrorCount > 0)
        && (string.IsNullOrWhiteSpace(Text) || HasText(trace, Text.Trim()));

    private static bool HasText(Trace trace, string text) =>
        trace.Id.StartsWith(text, StringComparison.OrdinalIgnoreCase)
        || trace.Spans.Any(span => span.Name.Contains(text, StringComparison.OrdinalIgnoreCase));
}
