namespace Aspire.Dashboard.Telemetry;

/// <summary>All kept spans of one request through the system.</summary>
public sealed class Trace
{
    /// <summary>How many digits of an id are shown in lists.</summary>
    public const int ShortIdLength = 7;

    /// <summary>Makes a trace of its spans.</summary>
    /// <param name="spans">At least one.</param>
    public Trace(IReadOnlyList<Span> spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        Spans = spans;
        Id = spans[0].TraceId;
        (Start, End, First) = (spans[0].Start, spans[0].End, spans[0]);
        foreach (var span in spans)
        {
            Start = span.Start < Start ? span.Start : Start;
            End = span.End > End ? span.End : End;
            ErrorCount += span.IsError ? 1 : 0;
            // The one without a parent; where that is not here (yet), the earliest.
            if ((span.ParentId is null, First.ParentId is null) is (true, false)
                || ((span.ParentId is null) == (First.ParentId is null) && span.Start < First.Start))
            {
                First = span;
            }
        }
    }

    /// <summary>32 hex digits.</summary>
    public string Id { get; }

    /// <summary>The spans as they came.</summary>
    public IReadOnlyList<Span> Spans { get; }

    /// <summary>The span that began it.</summary>
    public Span First { get; }

    /// <summary>When it began, in UTC.</summary>
    public DateTime Start { get; }

    /// <summary>When its last span ended, in UTC.</summary>
    public DateTime End { get; }

    /// <summary>From the first to the last.</summary>
    public TimeSpan Duration => End - Start;

    /// <summary>How many of its spans failed.</summary>
    public int ErrorCount { get; }

    /// <summary>How many spans each resource has in it, those first who came first.</summary>
    public IReadOnlyList<(string Service, int Count, int Errors)> Services =>
    [
        .. Spans.GroupBy(span => span.Source.Service)
            .OrderBy(spans => spans.Min(span => span.Start))
            .Select(spans => (spans.Key, spans.Count(), spans.Count(span => span.IsError))),
    ];

    /// <summary>
    /// The spans as a tree, in order of time, each with its depth. A span whose parent is not here stands at the top;
    /// spans that are each other's parents do too.
    /// </summary>
    public IReadOnlyList<(Span Span, int Depth)> Tree()
    {
        var ids = Spans.Select(span => span.Id).ToHashSet();
        var children = Spans.ToLookup(span =>
            span.ParentId is { } parent && parent != span.Id && ids.Contains(parent) ? parent : "");
        var tree = new List<(Span, int)>(Spans.Count);
        var seen = new HashSet<Span>();
        Walk(children[""]);
        Walk(Spans); // What is in a circle, which no walk from the top has met.
        return tree;

        void Walk(IEnumerable<Span> roots)
        {
            // Not by recursion: a trace may be as deep as there are spans.
            var open = new Stack<(Span Span, int Depth)>();
            Push(roots, 0);
            while (open.TryPop(out var next))
            {
                if (seen.Add(next.Span))
                {
                    tree.Add(next);
                    Push(children[next.Span.Id], next.Depth + 1);
                }
            }

            void Push(IEnumerable<Span> spans, int depth)
            {
                foreach (var span in spans.Where(span => !seen.Contains(span)).OrderByDescending(span => span.Start))
                {
                    open.Push((span, depth));
                }
            }
        }
    }
}
