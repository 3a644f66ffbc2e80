using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Aspire.Local.Tests;

/// <summary>What dies is started again; what cannot live is given up with its last words.</summary>
public sealed class CrashTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Postgres_Killed_IsStartedAgainAtItsPortWithItsData()
    {
        await using var app = await StartAsync(builder => builder.AddPostgres("postgres").AddDatabase("db"));
        await HealthyAsync(app, "db");
        var connectionString = (await app.GetConnectionStringAsync("db", Cancellation))!;
        await Sql.ExecuteAsync(connectionString, "CREATE TABLE kept (n int)");

        await KillAsync(app, "postgres");
        await HealthyAsync(app, "postgres");
        await Sql.ExecuteAsync(connectionString, "INSERT INTO kept VALUES (1)");
    }

    [Fact]
    public async Task Server_ThatEndsAgainAndAgain_IsGivenUpWithItsLastWords()
    {
        await using var app = await StartAsync(builder =>
        {
            var broken = builder.AddPostgres("postgres").WithArgs("-c", "no_such_setting=1");
            builder.AddExecutable("waiting", "true", ".").WaitFor(broken);
        });
        await StateAsync(app, "postgres", KnownResourceStates.FailedToStart);
        await StateAsync(app, "waiting", KnownResourceStates.FailedToStart);

        var output = app.Services.GetRequiredService<ResourceLoggerService>();
        await foreach (var lines in output.WatchAsync("postgres").WithCancellation(Cancellation))
        {
            if (lines.Any(line => line.Content.Contains("no_such_setting", StringComparison.Ordinal)))
            {
                return;
            }
        }
    }

    [Fact]
    public async Task Commands_StopStartRestart_DoWhatTheySay()
    {
        await using var app = await StartAsync(builder => builder.AddRedis("cache"));
        await HealthyAsync(app, "cache");
        var first = await PidAsync(app, "cache");

        await CommandAsync(app, "cache", KnownResourceCommands.StopCommand);
        await StateAsync(app, "cache", KnownResourceStates.Finished);
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(first));

        await CommandAsync(app, "cache", KnownResourceCommands.StartCommand);
        await HealthyAsync(app, "cache");
        var second = await PidAsync(app, "cache");

        await CommandAsync(app, "cache", KnownResourceCommands.RestartCommand);
        await HealthyAsync(app, "cache", e => Pid(e) != second);
    }

    [Fact]
    public async Task Command_ThatCannotBe_SaysWhy()
    {
        await using var app = await StartAsync(builder => builder.AddRedis("cache"));
        var noResource = await app.ResourceCommands.ExecuteCommandAsync(
            "none", KnownResourceCommands.StopCommand, Cancellation);
        Assert.False(noResource.Success);
        Assert.Contains("none", noResource.ErrorMessage, StringComparison.Ordinal);
        var noCommand = await app.ResourceCommands.ExecuteCommandAsync("cache", "dance", Cancellation);
        Assert.False(noCommand.Success);
        Assert.Contains("dance", noCommand.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resource_WithExplicitStart_WaitsToBeTold()
    {
        await using var app = await StartAsync(builder =>
            builder.AddExecutable("later", "sh", ".", "-c", "exit 0").WithExplicitStart());
        await StateAsync(app, "later", KnownResourceStates.NotStarted);
        await CommandAsync(app, "later", KnownResourceCommands.StartCommand);
        await StateAsync(app, "later", KnownResourceStates.Finished);
    }

    private static async Task<DistributedApplication> StartAsync(Action<IDistributedApplicationBuilder> describe)
    {
        var builder = DistributedApplicationTestingBuilder.Create();
        describe(builder);
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return app;
    }

    private static async Task CommandAsync(DistributedApplication app, string resource, string command)
    {
        var result = await app.ResourceCommands.ExecuteCommandAsync(resource, command, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.True(result.Success, result.ErrorMessage);
    }

    private static Task<ResourceEvent> HealthyAsync(
        DistributedApplication app, string resource, Func<ResourceEvent, bool>? which = null) =>
        app.ResourceNotifications.WaitForResourceAsync(
            resource,
            e => e.Snapshot.HealthStatus == HealthStatus.Healthy && (which is null || which(e)),
            Cancellation).WaitAsync(Timeout, Cancellation);

    private static Task StateAsync(DistributedApplication app, string resource, string state) =>
        app.ResourceNotifications.WaitForResourceAsync(resource, state, Cancellation).WaitAsync(Timeout, Cancellation);

    /// <summary>Kills a resource's process, and waits until that is noticed.</summary>
    private static async Task KillAsync(DistributedApplication app, string resource)
    {
        using var process = Process.GetProcessById(await PidAsync(app, resource));
        var noticed = StateAsync(app, resource, KnownResourceStates.Exited);
        process.Kill();
        await noticed;
    }

    private static async Task<int> PidAsync(DistributedApplication app, string resource) =>
        Pid(await app.ResourceNotifications.WaitForResourceAsync(
            resource, e => e.Snapshot.Properties.Length > 0, Cancellation));

    private static int Pid(ResourceEvent e) =>
        (int)e.Snapshot.Properties.Single(property => property.Name == "executable.pid").Value!;
}
