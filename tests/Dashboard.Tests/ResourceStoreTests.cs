using Aspire.Dashboard.Resources;
using Aspire.Dashboard.Resources.Wire;
using Aspire.Dashboard.Telemetry;

namespace Dashboard.Tests;

/// <summary>What the AppHost tells is kept in bounds, and forgotten when it tells everything anew.</summary>
public sealed class ResourceStoreTests
{
    private const string Process = "chat-1";

    private readonly ResourceStore _store = new();

    [Fact]
    public void Take_TheFirstMessageOfAConnection_ForgetsWhatWasTold()
    {
        _store.Take(new Update { Application = "App", Replicas = { new Replica { Id = "old" } } });
        Write("old", "before");
        _store.Disconnect();
        Assert.False(_store.IsConnected);
        Assert.Single(_store.Resources());
        Assert.Single(_store.Lines("old"));

        _store.Take(new Update { Application = "App", Replicas = { new Replica { Id = "new" } } });
        Assert.True(_store.IsConnected);
        Assert.Equal("new", Assert.Single(_store.Resources()).Id);
        Assert.Empty(_store.Lines("old"));
    }

    [Fact]
    public void Take_MoreLinesThanAreKept_TheOldestGo()
    {
        for (var n = 0; n < Limits.ConsoleLines + 3; n++)
        {
            Write(Process, $"{n}");
        }

        Assert.Equal(Limits.ConsoleLines, _store.Lines(Process).Count);
        Assert.Equal("3", _store.Lines(Process)[0].Text);
    }

    [Fact]
    public void Take_LongLines_AreCut()
    {
        Write(Process, new string('x', 100_000));
        Assert.Equal(new string('x', 8 * 1024) + "…", _store.Lines(Process)[0].Text);
    }

    [Fact]
    public void Take_LongLinesOfManyProcesses_StayInBoundsAndWhoWritesLittleKeepsIt()
    {
        const int Processes = 100;
        Write("quiet", "hush");
        var long8K = new string('x', 8 * 1024);
        for (var n = 0; n < 50; n++)
        {
            for (var process = 0; process < Processes; process++)
            {
                Write($"{process}", long8K);
            }
        }

        var kept = Enumerable.Range(0, Processes).Select(process => _store.Lines($"{process}")).ToList();
        Assert.InRange(kept.Sum(lines => lines.Sum(line => 2L * line.Text.Length)), 0, Limits.ConsoleBytes);
        var share = Limits.ConsoleBytes / Processes / (2 * long8K.Length);
        Assert.All(kept, lines => Assert.InRange(lines.Count, share - 1, share + 1));
        Assert.Equal("hush", Assert.Single(_store.Lines("quiet")).Text);
    }

    [Theory]
    [InlineData("Running", false, true, true)]
    [InlineData("Starting", false, true, true)]
    [InlineData("Stopping", false, false, false)]
    [InlineData("Waiting", false, false, false)]
    [InlineData("NotStarted", true, false, false)]
    [InlineData("Exited", true, false, false)]
    [InlineData("Finished", true, false, false)]
    [InlineData("FailedToStart", true, false, false)]
    public void Command_InAState_CanBeGivenOrNot(string state, bool canStart, bool canStop, bool canRestart)
    {
        _store.Take(new Update
        {
            Replicas =
            {
                new Replica { Id = "a", State = state, HasProcess = true },
                new Replica { Id = "b", State = state },
            },
        });
        string[] commands = ["start", "stop", "restart"];
        Assert.Equal([canStart, canStop, canRestart], commands.Select(_store.Resources()[0].Can));
        Assert.Equal([false, false, false], commands.Select(_store.Resources()[1].Can));
    }

    private void Write(string process, string text) =>
        _store.Take(new Update { Lines = { new ConsoleLine { Replica = process, Text = text } } });
}
