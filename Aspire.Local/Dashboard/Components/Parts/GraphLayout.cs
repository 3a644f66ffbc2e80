using System.Globalization;
using Aspire.Dashboard.Resources;

namespace Aspire.Dashboard.Components.Parts;

/// <summary>
/// Places resources in columns: each right of all that use it, as far as they use each other in no circle.
/// </summary>
/// <param name="Nodes">The resources.</param>
/// <param name="Edges">Who uses whom.</param>
/// <param name="Width">Of the whole, in pixels.</param>
/// <param name="Height">Of the whole, in pixels.</param>
internal sealed record GraphLayout(
    IReadOnlyList<GraphNode> Nodes, IReadOnlyList<GraphEdge> Edges, int Width, int Height)
{
    /// <summary>A node's width, in pixels.</summary>
    public const int NodeWidth = 170;

    /// <summary>A node's height, in pixels.</summary>
    public const int NodeHeight = 44;

    private const int ColumnGap = 70;
    private const int RowGap = 18;
    private const int Margin = 12;

    /// <summary>Places resources.</summary>
    /// <param name="resources">All processes and resources without one.</param>
    public static GraphLayout Of(IReadOnlyList<ResourceView> resources)
    {
        var groups = resources.GroupBy(r => r.Resource).ToList();
        var names = groups.Select(group => group.Key).ToHashSet();
        var uses = groups.ToDictionary(
            group => group.Key,
            group => group.SelectMany(r => r.Uses).Select(use => use.Resource)
                .Where(name => names.Contains(name) && name != group.Key).Distinct().ToList());
        var columns = names.ToDictionary(name => name, _ => 0);
        var forward = uses
            .SelectMany(pair => pair.Value.Select(used => (User: pair.Key, Used: used)))
            .Where(edge => !Reaches(uses, edge.Used, edge.User)).ToList();
        // What is left has no circle: it ends after as many rounds as the longest chain is long.
        var isDone = false;
        while (!isDone)
        {
            isDone = true;
            foreach (var (user, used) in forward.Where(edge => columns[edge.Used] <= columns[edge.User]))
            {
                columns[used] = columns[user] + 1;
                isDone = false;
            }
        }

        var rows = new Dictionary<int, int>();
        var nodes = groups.Select(group =>
        {
            var column = columns[group.Key];
            var row = rows[column] = rows.GetValueOrDefault(column, -1) + 1;
            return new GraphNode(
                group.Key, StateOf([.. group]), ClassOf([.. group]), Margin + (column * (NodeWidth + ColumnGap)),
                Margin + (row * (NodeHeight + RowGap)));
        }).ToDictionary(node => node.Name);
        return new GraphLayout(
            [.. nodes.Values],
            [.. uses.SelectMany(pair => pair.Value.Select(used => new GraphEdge(nodes[pair.Key], nodes[used])))],
            (2 * Margin) + ((rows.Keys.DefaultIfEmpty().Max() + 1) * (NodeWidth + ColumnGap)) - ColumnGap,
            (2 * Margin) + ((rows.Values.DefaultIfEmpty().Max() + 1) * (NodeHeight + RowGap)) - RowGap);
    }

    private static bool Reaches(Dictionary<string, List<string>> uses, string from, string to)
    {
        var seen = new HashSet<string>();
        var open = new Stack<string>([from]);
        while (open.TryPop(out var name))
        {
            if (name == to)
            {
                return true;
            }

            if (seen.Add(name))
            {
                uses[name].ForEach(open.Push);
            }
        }

        return false;
    }

    private static string StateOf(IReadOnlyList<ResourceView> replicas)
    {
        var states = replicas.GroupBy(r => r is { IsRunning: true, Health: { } health } ? health : r.State).ToList();
        return states.Count == 1 && replicas.Count == 1
            ? states[0].Key
            : string.Join(", ", states.Select(s => $"{s.Count()} {s.Key}"));
    }

    private static string ClassOf(IReadOnlyList<ResourceView> replicas) =>
        replicas.Any(r => r.State is "FailedToStart" or "Exited" || r.Health == "Unhealthy") ? "bad"
        : replicas.All(r => r is { IsRunning: true, Health: "Healthy" }) ? "good"
        : "quiet";
}

/// <summary>A resource in its place.</summary>
internal sealed record GraphNode(string Name, string State, string Class, int X, int Y);

/// <summary>That one resource uses another.</summary>
internal sealed record GraphEdge(GraphNode User, GraphNode Used)
{
    /// <summary>The one that uses.</summary>
    public string From => User.Name;

    /// <summary>The one that is used.</summary>
    public string To => Used.Name;

    /// <summary>The line, as SVG has it.</summary>
    public string Path
    {
        get
        {
            var (x1, y1) = (User.X + GraphLayout.NodeWidth, User.Y + (GraphLayout.NodeHeight / 2));
            var (x2, y2) = (Used.X - 2, Used.Y + (GraphLayout.NodeHeight / 2));
            var bend = Math.Max(30, Math.Abs(x2 - x1) / 2);
            return string.Create(
                CultureInfo.InvariantCulture, $"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}");
        }
    }
}
