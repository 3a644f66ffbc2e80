using System.Diagnostics;

namespace AppHost.Tests;

/// <summary>An AppHost that ends, however it ends, takes everything with it that it has started.</summary>
[Trait("Category", "Slow")]
public sealed class EndTests : IDisposable
{
    private readonly Place _place = new();

    public void Dispose() => _place.Dispose();

    [Theory]
    [InlineData("TERM")] // Ctrl+C goes the same way; but a shell in the background lets its children ignore SIGINT.
    [InlineData("KILL")]
    public async Task AppHost_Ended_LeavesNoProcess(string signal)
    {
        var (app, client) = await AppHostProcess.ReadyAsync(_place, ["--Storage=ephemeral", "--Replicas=2"]);
        client.Dispose();
        await using (app)
        {
            var names = app.Descendants().Select(process => process.ProcessName).ToHashSet();
            Assert.Superset(new HashSet<string> { "dcp", "postgres", "Gateway", "Chat.Service" }, names);
            app.Signal(signal);
            await app.EndAsync();
            await app.NothingLeftAsync();
            Assert.DoesNotContain("fail:", app.Output, StringComparison.Ordinal);
            if (signal == "KILL")
            {
                Assert.NotEmpty(_place.Scratch.GetDirectories("aspirechat-*"));
                var (next, again) = await AppHostProcess.ReadyAsync(_place, ["--Storage=ephemeral"]);
                await using var _ = next;
                again.Dispose();
                var left = Assert.Single(_place.Scratch.GetDirectories("aspirechat-*")); // That of the next.
                Assert.DoesNotContain($"-{app.Process.Id}-", left.Name, StringComparison.Ordinal);
            }
            else
            {
                Assert.Empty(_place.Scratch.GetDirectories("aspirechat-*"));
            }
        }
    }

    /// <summary>A request must not find its database gone.</summary>
    [Fact]
    public async Task AppHost_Stopped_EndsTheServicesAndThenPostgresCleanly()
    {
        var (app, client) = await AppHostProcess.ReadyAsync(_place, []);
        await using (app)
        {
            using (client)
            {
                var token = await Users.NewAsync(client);
                await Users.ChatAsync(client, token);
            }

            var started = app.Descendants();
            var postgres = started.First(process => process.ProcessName == "postgres");
            var services = started.Where(process =>
                process.ProcessName == "Gateway" || process.ProcessName.EndsWith(".Service", StringComparison.Ordinal))
                .ToList();
            Assert.Equal(4, services.Count);
            app.Signal("TERM");
            while (!postgres.HasExited)
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }

            Assert.All(services, service => Assert.True(service.HasExited, service.ProcessName));
            await app.EndAsync();
        }

        // Otherwise the next start would say "database system was not properly shut down; automatic recovery".
        Assert.Equal("shut down", await ControlData.StateAsync(Directory.GetDirectories(_place.Data).Single()));
    }

    /// <summary>As after a loss of power, or a kill of the AppHost and its orchestrator together.</summary>
    [Fact]
    public async Task Postgres_LeftByAKilledAppHostAndOrchestrator_IsStoppedByTheNextAppHost()
    {
        var (app, client) = await AppHostProcess.ReadyAsync(_place, []);
        string token;
        using (client)
        {
            token = await Users.NewAsync(client);
            await Users.ChatAsync(client, token);
        }

        Process orphan;
        await using (app)
        {
            orphan = app.Descendants().First(process =>
                process.ProcessName == "postgres"
                && ProcessTable.CommandLineOf(process.Id).Contains(" -D ", StringComparison.Ordinal));
            foreach (var other in app.Descendants().Where(process => process.ProcessName is "dcp"))
            {
                other.Kill();
            }

            app.Signal("KILL");
            await app.EndAsync();
            Assert.False(orphan.HasExited);
            var (next, again) = await AppHostProcess.ReadyAsync(_place, []);
            await using (next)
            {
                using (again)
                {
                    Assert.True(orphan.HasExited);
                    Assert.Equal(3800, await Users.ChatAsync(again, token));
                }
            }
        }
    }
}
