using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Local.Tests;

/// <summary>Resources wait for each other as in Aspire, and a wait that can never end says why.</summary>
public sealed class WaitTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("waits-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Executable_ThatWaitsForAnotherToEnd_StartsAfterItWithTheRightExitCode()
    {
        await using var app = await TestApp.StartAsync(builder =>
        {
            var first = builder.AddExecutable("first", "sh", ".", "-c", "exit 3");
            builder.AddExecutable("second", "sh", ".", "-c", "exit 0").WaitForCompletion(first, exitCode: 3);
            builder.AddExecutable("third", "sh", ".", "-c", "exit 0").WaitForCompletion(first, exitCode: 0);
        });
        await app.StateAsync("second", KnownResourceStates.Finished);
        await app.StateAsync("third", KnownResourceStates.FailedToStart);
    }

    [Fact]
    public async Task Server_WhoseEndIsWaitedFor_IsNotStartedAgain()
    {
        await using var app = await TestApp.StartAsync(builder =>
        {
            var cache = builder.AddRedis("cache");
            builder.AddExecutable("after", "true", ".").WaitForCompletion(cache, exitCode: 137); // 128 + SIGKILL
        });
        await app.HealthyAsync("cache");
        using var process = Process.GetProcessById(await app.PidAsync("cache"));
        process.Kill();
        await app.StateAsync("cache", KnownResourceStates.Exited);
        await app.StateAsync("after", KnownResourceStates.Finished);
    }

    [Fact]
    public async Task Resources_ThatWaitForEachOther_AreNamed() => await RefusedAsync("one -> two -> one", builder =>
    {
        var one = builder.AddExecutable("one", "true", ".");
        var two = builder.AddExecutable("two", "true", ".").WaitFor(one);
        one.WaitFor(two);
    });

    [Fact]
    public async Task Server_ThatWaitsForItsOwnDatabase_IsRefused() => await RefusedAsync(
        "postgres -> db -> postgres",
        builder =>
        {
            var postgres = builder.AddPostgres("postgres");
            postgres.WaitFor(postgres.AddDatabase("db"));
        });

    [Fact]
    public async Task Resource_ThatWaitsForTheEndOfADatabase_IsRefused() => await RefusedAsync(
        "'after' waits for the end of 'db', which has no process",
        builder => builder.AddExecutable("after", "true", ".")
            .WaitForCompletion(builder.AddPostgres("postgres").AddDatabase("db")));

    [Fact]
    public async Task Resource_ThatWaitsForAStranger_IsRefused() => await RefusedAsync(
        "'after' waits for 'stranger', which is not in the application",
        builder => builder.AddExecutable("after", "true", ".")
            .WaitFor(builder.CreateResourceBuilder(new ExecutableResource("stranger", "true", "."))));

    [Fact]
    public async Task Resource_ThatWaitsForOneStartedByHand_SaysSoAndStartsAfterIt()
    {
        AppHostLog? log = null;
        await using var app = await TestApp.StartAsync(builder =>
        {
            log = builder.AddLog();
            var later = builder.AddRedis("later").WithExplicitStart();
            builder.AddExecutable("after", "true", ".").WaitFor(later);
        });
        await log!.SaysAsync("after waits for later, which starts only when it is told to");
        await app.CommandAsync("later", KnownResourceCommands.StartCommand);
        await app.StateAsync("after", KnownResourceStates.Finished);
    }

    [Fact]
    public async Task Resource_ThatFailedToStart_StartsWhenToldToOnceItCan()
    {
        var program = Path.Combine(_folder.FullName, "program");
        await using var app = await TestApp.StartAsync(builder =>
        {
            var missing = builder.AddExecutable("missing", program, ".");
            builder.AddExecutable("waiting", "true", ".").WaitFor(missing);
        });
        await app.StateAsync("missing", KnownResourceStates.FailedToStart);
        await app.StateAsync("waiting", KnownResourceStates.FailedToStart);

        await File.WriteAllTextAsync(program, "#!/bin/sh\nexit 0\n", Cancellation);
        using (var executable = Process.Start("chmod", ["+x", program]))
        {
            await executable.WaitForExitAsync(Cancellation);
        }

        await app.CommandAsync("missing", KnownResourceCommands.StartCommand);
        await app.StateAsync("missing", KnownResourceStates.Finished);
        await app.CommandAsync("waiting", KnownResourceCommands.StartCommand);
        await app.StateAsync("waiting", KnownResourceStates.Finished);
    }

    private static async Task RefusedAsync(string why, Action<IDistributedApplicationBuilder> describe)
    {
        var refused = await Assert.ThrowsAsync<DistributedApplicationException>(() => TestApp.StartAsync(describe));
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
    }
}
