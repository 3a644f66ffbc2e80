using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace AppHost.Tests;

/// <summary>The whole system with data that ends with the tests.</summary>
public sealed class RunningSystem : IAsyncLifetime
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(5);

    private DistributedApplication? _app;

    /// <summary>The running application.</summary>
    public DistributedApplication App => _app ?? throw new InvalidOperationException("It has not started.");

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            ["--Storage=ephemeral", "--Replicas=2"], cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        builder.Services.AddLogging(logging => logging.ClearProviders());
        _app = await builder.BuildAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        await _app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        foreach (var gateway in new[] { "gateway", "gateway-2" })
        {
            await _app.ResourceNotifications.WaitForResourceHealthyAsync(gateway, cancellationToken)
                .WaitAsync(StartTimeout, cancellationToken);
        }
    }

    /// <summary>A resource of the application.</summary>
    public IResource Resource(string name) => App.Services.GetRequiredService<DistributedApplicationModel>().Resources
        .Single(resource => resource.Name == name);

    /// <summary>Reads the log of a resource up to a line with a text.</summary>
    public async Task<IReadOnlyList<LogLine>> LogAsync(string name, string text)
    {
        var log = new List<LogLine>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(1));
        await foreach (var lines in App.Services.GetRequiredService<ResourceLoggerService>()
            .WatchAsync(Resource(name)).WithCancellation(patience.Token))
        {
            log.AddRange(lines);
            if (log.Any(line => line.Content.Contains(text, StringComparison.Ordinal)))
            {
                break;
            }
        }

        return log;
    }

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>Tests that kill what others look at take turns.</summary>
[CollectionDefinition(nameof(RunningSystem))]
public sealed class RunningSystemCollection : ICollectionFixture<RunningSystem>;

/// <summary>What dies is started again, and what somebody has stopped is not.</summary>
[Collection(nameof(RunningSystem))]
public sealed class RestartTests(RunningSystem system)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("chat-2")]
    [InlineData("ledger")]
    [InlineData("gateway-2")]
    [InlineData("postgres")]
    [InlineData("cache")]
    public async Task Resource_Killed_IsStartedAgainAndItsLogSaysSo(string name)
    {
        using var before = await system.App.ProcessAsync(name);
        before.Kill();
        await before.WaitForExitAsync(CancellationToken).Soon();
        await AgainAsync(name, before.Id);
        await system.LogAsync(name, "has ended by itself with exit code");
    }

    [Theory]
    [InlineData("identity-2")]
    [InlineData("cache")]
    public async Task Resource_StoppedByHand_IsLeftAloneUntilItIsStarted(string name)
    {
        using var before = await system.App.ProcessAsync(name);
        var stopped = await CommandAsync(name, KnownResourceCommands.StopCommand);
        Assert.True(stopped.Success, stopped.Message);
        Assert.True(before.HasExited);
        // A watcher that mistakes this for a death has asked for the start by the time that another's death is mended.
        await Resource_Killed_IsStartedAgainAndItsLogSaysSo("chat");
        await Resource_Killed_IsStartedAgainAndItsLogSaysSo("chat");
        var now = await system.App.ResourceNotifications
            .WaitForResourceAsync(name, _ => true, CancellationToken).Soon();
        Assert.Contains(now.Snapshot.State?.Text, KnownResourceStates.TerminalStates);

        var started = await CommandAsync(name, KnownResourceCommands.StartCommand);
        Assert.True(started.Success, started.Message);
        await AgainAsync(name, before.Id);
    }

    [Fact]
    public async Task Gateway_KilledWhileAReplicaBehindItIsStopped_IsStartedAgain()
    {
        var stopped = await CommandAsync("chat-2", KnownResourceCommands.StopCommand);
        Assert.True(stopped.Success, stopped.Message);
        await Resource_Killed_IsStartedAgainAndItsLogSaysSo("gateway");
        var started = await CommandAsync("chat-2", KnownResourceCommands.StartCommand);
        Assert.True(started.Success, started.Message);
    }

    [Fact]
    public async Task Resource_RestartedByHand_IsStartedOnce()
    {
        using var before = await system.App.ProcessAsync("identity");
        var restarted = await CommandAsync("identity", KnownResourceCommands.RestartCommand);
        Assert.True(restarted.Success, restarted.Message);
        await AgainAsync("identity", before.Id);
        using var after = await system.App.ProcessAsync("identity");
        await Resource_Killed_IsStartedAgainAndItsLogSaysSo("chat");
        using var still = await system.App.ProcessAsync("identity");
        Assert.Equal(after.Id, still.Id);
    }

    private Task<ExecuteCommandResult> CommandAsync(string name, string command) =>
        system.App.ResourceCommands.ExecuteCommandAsync(
            system.Resource(name), command, CancellationToken).Soon();

    private async Task AgainAsync(string name, int before)
    {
        using var process = await system.App.ProcessAsync(name);
        Assert.NotEqual(before, process.Id);
        await system.App.ResourceNotifications.WaitForResourceAsync(
            name, e => e.Snapshot.HealthStatus == HealthStatus.Healthy, CancellationToken).Soon();
    }

}
