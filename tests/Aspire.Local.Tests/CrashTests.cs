using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Aspire.Local.Tests;

/// <summary>What dies is started again; what cannot live is given up with its last words.</summary>
public sealed class CrashTests : IDisposable
{
    private readonly string _gate = Path.Combine(Path.GetTempPath(), $"gate-{Guid.NewGuid():N}");

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => File.Delete(_gate);

    [Fact]
    public async Task Postgres_Killed_IsStartedAgainAtItsPortWithItsData()
    {
        await using var app = await TestApp.StartAsync(builder => builder.AddPostgres("postgres").AddDatabase("db"));
        await app.HealthyAsync("db");
        var connectionString = (await app.GetConnectionStringAsync("db", Cancellation))!;
        await Sql.ExecuteAsync(connectionString, "CREATE TABLE kept (n int)");

        await app.KillAsync("postgres");
        await app.HealthyAsync("postgres");
        await Sql.ExecuteAsync(connectionString, "INSERT INTO kept VALUES (1)");
    }

    [Fact]
    public async Task Server_ThatEndsAgainAndAgain_IsGivenUpWithItsLastWords()
    {
        await using var app = await TestApp.StartAsync(builder =>
        {
            var broken = builder.AddPostgres("postgres").WithArgs("-c", "no_such_setting=1");
            builder.AddExecutable("waiting", "true", ".").WaitFor(broken);
        });
        await app.StateAsync("postgres", KnownResourceStates.FailedToStart);
        await app.StateAsync("waiting", KnownResourceStates.FailedToStart);

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
        await using var app = await TestApp.StartAsync(builder => builder.AddRedis("cache"));
        await app.HealthyAsync("cache");
        var first = await app.PidAsync("cache");

        await app.CommandAsync("cache", KnownResourceCommands.StopCommand);
        await app.StateAsync("cache", KnownResourceStates.Finished);
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(first));

        await app.CommandAsync("cache", KnownResourceCommands.StartCommand);
        await app.HealthyAsync("cache");
        var second = await app.PidAsync("cache");

        await app.CommandAsync("cache", KnownResourceCommands.RestartCommand);
        await app.EventAsync(
            "cache", e => e.Snapshot.HealthStatus == HealthStatus.Healthy && TestApp.Pid(e) != second);
    }

    [Fact]
    public async Task Server_EndedPolitelyByAStranger_IsStartedAgain()
    {
        await using var app = await TestApp.StartAsync(builder => builder.AddRedis("cache"));
        await app.HealthyAsync("cache");
        var first = await app.PidAsync("cache");
        using var stranger = Process.Start("kill", ["-TERM", $"{first}"]);
        await app.EventAsync(
            "cache", e => e.Snapshot.HealthStatus == HealthStatus.Healthy && TestApp.Pid(e) != first);
    }

    [Fact]
    public async Task Server_StartedByHandThatEnds_IsLeftAlone()
    {
        await using var app = await TestApp.StartAsync(builder =>
            builder.AddRedis("broken").WithArgs("--no-such-option", "yes").WithExplicitStart());
        await app.CommandAsync("broken", KnownResourceCommands.StartCommand);
        var ended = await app.EventAsync("broken", e => e.Snapshot.ExitCode is not null);
        Assert.Equal(KnownResourceStates.Exited, ended.Snapshot.State?.Text);
    }

    [Fact]
    public async Task Start_WhileAStopIsUnderWay_IsCarriedOutAfterIt()
    {
        await using var app = await TestApp.StartAsync(builder => builder.AddExecutable(
            "slow", "sh", ".", "-c", "trap 'echo asked; while [ ! -e \"$GO\" ]; do sleep 0.1; done; exit 0' TERM; "
                + "echo up; while :; do sleep 0.1; done").WithEnvironment("GO", _gate));
        await app.SaysAsync("slow", "up");
        var first = await app.PidAsync("slow");
        var stopping = app.CommandAsync("slow", KnownResourceCommands.StopCommand);
        await app.SaysAsync("slow", "asked");
        await app.CommandAsync("slow", KnownResourceCommands.StartCommand);
        await File.WriteAllTextAsync(_gate, "", Cancellation);
        await stopping;
        await app.EventAsync("slow", e => e.Snapshot.Properties.Length > 0 && TestApp.Pid(e) != first);
    }

    [Fact]
    public async Task Command_ThatCannotBe_SaysWhy()
    {
        await using var app = await TestApp.StartAsync(builder => builder.AddRedis("cache"));
        var noResource = await app.ResourceCommands.ExecuteCommandAsync(
            "none", KnownResourceCommands.StopCommand, Cancellation);
        Assert.False(noResource.Success);
        Assert.Contains("none", noResource.Message, StringComparison.Ordinal);
        var noCommand = await app.ResourceCommands.ExecuteCommandAsync("cache", "dance", Cancellation);
        Assert.False(noCommand.Success);
        Assert.Contains("dance", noCommand.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resource_WithExplicitStart_WaitsToBeTold()
    {
        await using var app = await TestApp.StartAsync(builder =>
            builder.AddExecutable("later", "sh", ".", "-c", "exit 0").WithExplicitStart());
        await app.StateAsync("later", KnownResourceStates.NotStarted);
        await app.CommandAsync("later", KnownResourceCommands.StartCommand);
        await app.StateAsync("later", KnownResourceStates.Finished);
    }
}
