using Aspire.Dashboard.Components.Parts;
using Aspire.Dashboard.Resources;
using Aspire.Dashboard.Resources.Wire;

namespace Dashboard.Tests;

/// <summary>Each resource stands right of all that use it, and none on another.</summary>
public sealed class GraphLayoutTests
{
    [Fact]
    public void Nodes_OfAChain_StandBehindEachOtherWhateverTheirOrder()
    {
        var layout = GraphLayout.Of([Of("c"), Of("a", "b", "c"), Of("b", "c")]);
        Assert.Equal(["a", "b", "c"], layout.Nodes.OrderBy(node => node.X).Select(node => node.Name));
        Assert.All(layout.Edges, edge => Assert.True(edge.User.X < edge.Used.X));
        Assert.Equal(3, layout.Edges.Count);
    }

    [Fact]
    public void Nodes_ThatUseEachOtherInACircle_ArePlacedAllTheSame()
    {
        var layout = GraphLayout.Of([Of("gateway", "a"), Of("a", "b"), Of("b", "a", "db"), Of("db")]);
        var x = layout.Nodes.ToDictionary(node => node.Name, node => node.X);
        Assert.True(x["gateway"] < x["a"]);
        Assert.True(x["b"] < x["db"]);
        Assert.Equal(4, layout.Edges.Count);
    }

    [Fact]
    public void Nodes_OfManyResources_StandApartAndInside()
    {
        var layout = GraphLayout.Of(
            [.. Enumerable.Range(0, 50).Select(n => Of($"{n}", [.. Enumerable.Range(n + 1, 3).Select(m => $"{m}")]))]);
        Assert.Equal(50, layout.Nodes.Select(node => (node.X, node.Y)).Distinct().Count());
        Assert.All(layout.Nodes, node =>
        {
            Assert.InRange(node.X, 0, layout.Width - GraphLayout.NodeWidth);
            Assert.InRange(node.Y, 0, layout.Height - GraphLayout.NodeHeight);
        });
    }

    [Fact]
    public void Node_OfSeveralProcesses_SaysHowManyAreInWhichState()
    {
        var layout = GraphLayout.Of(
            [Of("chat", "Running", "Healthy"), Of("chat", "Running", "Healthy"), Of("chat", "Exited", "")]);
        var node = Assert.Single(layout.Nodes);
        Assert.Equal(("2 Healthy, 1 Exited", "bad"), (node.State, node.Class));

        static ResourceView Of(string name, string state, string health) =>
            new(new Replica { Id = $"{name}-1", Resource = name, State = state, Health = health });
    }

    private static ResourceView Of(string name, params string[] uses) => new(new Replica
    {
        Id = name,
        Resource = name,
        Relationships = { uses.Select(used => new Relationship { Resource = used, Type = "Reference" }) },
    });
}
