using System.Globalization;
using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>A line of a trace's picture.</summary>
/// <param name="Span">The span.</param>
/// <param name="Depth">How deep it stands.</param>
/// <param name="Children">How many spans are part of it, at any depth.</param>
/// <param name="IsFolded">Whether these are not shown.</param>
public sealed record SpanRowModel(Span Span, int Depth, int Children, bool IsFolded)
{
    /// <summary>The most that is drawn; a page with more would be of use to nobody.</summary>
    public const int MaxRows = 1_000;

    private static readonly string[] Subtitles =
        ["db.query.text", "db.statement", "db.operation.name", "url.path", "url.full", "gen_ai.request.model"];

    private string? _subtitle;

    /// <summary>What it did, in more words than its name: the query, the address.</summary>
    public string Subtitle => _subtitle ??= Span.ReadDetails().Attributes
        .Where(attribute => Subtitles.Contains(attribute.Key))
        .OrderBy(attribute => Array.IndexOf(Subtitles, attribute.Key))
        .Select(attribute => string.Join(
            ' ', attribute.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))
        .FirstOrDefault() ?? "";

    /// <summary>The lines of a trace.</summary>
    /// <param name="trace">The trace.</param>
    /// <param name="folded">The spans whose parts are not shown.</param>
    public static IReadOnlyList<SpanRowModel> Of(Trace trace, IReadOnlySet<string> folded)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(folded);
        var tree = trace.Tree();
        var parts = CountParts(tree);
        var rows = new List<SpanRowModel>();
        for (var n = 0; n < tree.Count && rows.Count < MaxRows; n++)
        {
            var (span, depth) = tree[n];
            var children = parts[n];
            var isFolded = children > 0 && folded.Contains(span.Id);
            rows.Add(new SpanRowModel(span, depth, children, isFolded));
            n += isFolded ? children : 0;
        }

        return rows;
    }

    /// <summary>How many of those that follow each stand deeper than it, without a break.</summary>
    private static int[] CountParts(IReadOnlyList<(Span Span, int Depth)> tree)
    {
        var parts = new int[tree.Count];
        var open = new Stack<int>();
        for (var n = 0; n <= tree.Count; n++)
        {
            while (open.TryPeek(out var earlier) && (n == tree.Count || tree[earlier].Depth >= tree[n].Depth))
            {
                parts[open.Pop()] = n - earlier - 1;
            }

            open.Push(n);
        }

        return parts;
    }

    /// <summary>Where its bar is, as CSS has it.</summary>
    /// <param name="trace">The trace.</param>
    public string Place(Trace trace)
    {
        ArgumentNullException.ThrowIfNull(trace);
        var percent = 100.0 / Math.Max(1, trace.Duration.Ticks);
        var (left, width) = ((Span.Start - trace.Start).Ticks * percent, Span.Duration.Ticks * percent);
        return string.Create(CultureInfo.InvariantCulture, $"left: {left:0.###}%; width: {width:0.###}%");
    }

    /// <summary>Where its duration stands: in the bar, at its left or at its right, wherever there is room.</summary>
    /// <param name="trace">The trace.</param>
    public string Label(Trace trace)
    {
        ArgumentNullException.ThrowIfNull(trace);
        return Span.Duration > trace.Duration * 0.5 ? "inside"
            : Span.End - trace.Start > trace.Duration * 0.8 ? "left"
            : "right";
    }
}
