using System.Diagnostics;
using Aspire.Hosting.Orchestration;
using Aspire.Hosting.PostgreSQL;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aspire.Local.Tests;

/// <summary>
/// What a killed AppHost, or a machine that lost its power, leaves of a server keeps no server from the data.
/// </summary>
public sealed class StalePostmasterTests : IDisposable
{
    /// <summary>The user that servers run as; the test's own when that is not root.</summary>
    private static readonly string? User = Unix.IsRoot
        ? new PostgresMachine().Users.First(user => Unix.GroupOf(user) is not null)
        : null;

    private readonly string _store = Path.Combine(Path.GetTempPath(), $"stale-{Guid.NewGuid():N}");
    private readonly AppHostLog _log = new();
    private string _pidFileOfThatServer = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Volumes => Path.Combine(_store, "volumes");

    private string Data => Path.Combine(Volumes, "postgres-data");

    private string PidFile => Path.Combine(Data, "postmaster.pid");

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_store, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // It does not hear the signal, and is killed.
    public async Task Server_LeftBehindByAKilledAppHost_IsStoppedBeforeTheNextStarts(bool stuck)
    {
        await RunAndStopAsync();
        using var orphan = Start(
            PostgresBinaries.FindIn(new PostgresMachine().Folders) + "/postgres",
            "-D", Data, "-c", "listen_addresses=", "-c", $"unix_socket_directories={Data}");
        try
        {
            await UntilAsync(() => File.Exists(PidFile) && File.ReadAllText(PidFile).Contains("ready"));
            if (stuck)
            {
                using var stop = Process.Start("kill", ["-STOP", $"{orphan.Id}"]);
                await stop.WaitForExitAsync(Cancellation);
            }

            await StartsWithItsDataAsync();
            Assert.True(orphan.Exited.IsCompleted);
        }
        finally
        {
            await orphan.StopAsync(Cancellation);
        }

        Assert.Contains(_log.Lines, line => line.EndsWith($"stopping process {orphan.Id}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task PidFile_WithTheIdOfAnotherProgram_KeepsNoServerAwayAndEndsNothing()
    {
        await RunAndStopAsync();
        using var other = Start("sleep", "600");
        LeavePidFile(other.Id);
        try
        {
            await StartsWithItsDataAsync();
            Assert.False(other.Exited.IsCompleted);
        }
        finally
        {
            await other.StopAsync(Cancellation);
        }
    }

    [Fact]
    public async Task PidFile_WithTheIdOfAnotherServer_KeepsNoServerAwayAndEndsNothing()
    {
        await RunAndStopAsync();
        await using var another = await TestApp.StartAsync(builder => builder.AddPostgres("other"));
        await another.HealthyAsync("other");
        var pid = await another.PidAsync("other");
        LeavePidFile(pid);

        await StartsWithItsDataAsync();
        using var untouched = Process.GetProcessById(pid);
        Assert.Equal("postgres", untouched.ProcessName);
    }

    [Fact]
    public async Task PidFile_WithTheIdOfNothing_KeepsNoServerAway()
    {
        await RunAndStopAsync();
        using var ended = Start("true");
        await ended.Exited.WaitAsync(TestApp.Timeout, Cancellation);
        LeavePidFile(ended.Id);
        await StartsWithItsDataAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("12x")]
    public async Task PidFile_CutOff_KeepsNoServerAway(string content)
    {
        await RunAndStopAsync();
        await File.WriteAllTextAsync(PidFile, content, Cancellation);
        await StartsWithItsDataAsync();
    }

    [Fact]
    public async Task Data_HalfMade_IsMadeAnew()
    {
        Directory.CreateDirectory(Data);
        var half = Directory.CreateDirectory($"{Data}.half").FullName;
        await File.WriteAllTextAsync(Path.Combine(half, "PG_VERSION"), "15\n", Cancellation);
        await File.WriteAllTextAsync(Path.Combine(Data, "base"), "", Cancellation);

        await RunAndStopAsync();
        await StartsWithItsDataAsync();
        Assert.False(Directory.Exists(half));
    }

    /// <summary>Makes the data, and keeps what the file says while its server runs.</summary>
    private async Task RunAndStopAsync()
    {
        await using var app = await TestApp.StartAsync([$"--Aspire:Store:Path={_store}"], AddPostgres);
        await Sql.ExecuteAsync(await app.DatabaseAsync("db"), "CREATE TABLE kept (n int)");
        _pidFileOfThatServer = await File.ReadAllTextAsync(PidFile, Cancellation);
    }

    private async Task StartsWithItsDataAsync()
    {
        await using var app = await TestApp.StartAsync([$"--Aspire:Store:Path={_store}"], AddPostgres);
        await Sql.ExecuteAsync(await app.DatabaseAsync("db"), "INSERT INTO kept VALUES (1)");
    }

    private void AddPostgres(IDistributedApplicationBuilder builder)
    {
        builder.Services.AddLogging(logging => logging.AddProvider(_log));
        builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db");
    }

    /// <summary>Leaves the file of the server that ran, as if its id were another process's now.</summary>
    private void LeavePidFile(int id) => File.WriteAllText(
        PidFile, $"{id}{_pidFileOfThatServer[_pidFileOfThatServer.IndexOf('\n')..]}");

    private static ChildProcess Start(string program, params string[] arguments) => ChildProcess.Start(
        new ProcessSpec(program) { Arguments = arguments, UnprivilegedUser = User, WorkingDirectory = "/" },
        (_, _) => { });

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TestApp.Timeout);
        while (!isSo())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), patience.Token);
        }
    }
}
