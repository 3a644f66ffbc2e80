using System.Diagnostics;
using AppHost.Servers;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace AppHost.Tests;

/// <summary>What a killed AppHost, or a machine that lost its power, leaves keeps no server from its data.</summary>
[Trait("Category", "Slow")]
public sealed class PostgresDataTests : IDisposable
{
    private readonly Place _place = new();
    private string _pidFileOfThatServer = "";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    private string Data => Directory.GetDirectories(_place.Data).Single();

    private string PidFile => Path.Combine(Data, "postmaster.pid");

    public void Dispose() => _place.Dispose();

    [Fact]
    public async Task Server_LeftThereAndStuck_IsKilledBeforeTheNextStarts()
    {
        await RunAndStopAsync();
        var bin = await PostgresBinaries.FindAsync(null, NullLogger.Instance, CancellationToken);
        var user = Environment.IsPrivilegedProcess ? ServerUser.Find().CommandFor(Data) : [];
        string[] command = [.. user, Path.Combine(bin, "postgres"), "-D", Data, "-c", "listen_addresses=", "-k", Data];
        using var orphan = Process.Start(
            new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        try
        {
            string? line;
            do
            {
                line = await orphan.StandardError.ReadLineAsync(CancellationToken).AsTask().Soon();
                Assert.NotNull(line); // It starts.
            }
            while (!line.Contains("ready to accept connections", StringComparison.Ordinal));

            Signals.Send(orphan.Id, "STOP"); // It does not hear the signal to stop.
            await StartsWithItsDataAsync();
            Assert.True(orphan.HasExited);
        }
        finally
        {
            orphan.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task PidFile_WithTheIdOfAnotherProgram_KeepsNoServerAwayAndEndsNothing()
    {
        await RunAndStopAsync();
        using var other = Process.Start("sleep", "600");
        try
        {
            LeavePidFile(other.Id);
            await StartsWithItsDataAsync();
            Assert.False(other.HasExited);
        }
        finally
        {
            other.Kill();
        }
    }

    [Fact]
    public async Task PidFile_WithTheIdOfAnotherServer_KeepsNoServerAwayAndEndsNothing()
    {
        await RunAndStopAsync();
        using var elsewhere = new Place();
        await using var another = await StartAsync(elsewhere);
        using var process = await another.ProcessAsync("postgres");
        LeavePidFile(process.Id);
        await StartsWithItsDataAsync();
        Assert.False(process.HasExited);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12x")]
    [InlineData("999999999\nanything")]
    public async Task PidFile_OfNothing_KeepsNoServerAway(string content)
    {
        await RunAndStopAsync();
        await File.WriteAllTextAsync(PidFile, content, CancellationToken);
        await StartsWithItsDataAsync();
    }

    [Fact]
    public async Task Data_HalfMade_IsMadeAnew()
    {
        await RunAndStopAsync();
        var data = Data;
        var half = Directory.CreateDirectory($"{data}.half").FullName;
        File.Move(Path.Combine(data, "PG_VERSION"), Path.Combine(half, "PG_VERSION"));
        await using (var app = await StartAsync(_place))
        {
            await ExecuteAsync(app, "CREATE TABLE kept (n int)");
        }

        Assert.False(Directory.Exists(half));
    }

    /// <summary>Makes the data, and keeps what the file says while its server runs.</summary>
    private async Task RunAndStopAsync()
    {
        await using var app = await StartAsync(_place);
        await ExecuteAsync(app, "CREATE TABLE kept (n int)");
        _pidFileOfThatServer = await File.ReadAllTextAsync(PidFile, CancellationToken);
    }

    [Fact]
    public async Task Data_OfAnotherVersion_IsNotTouchedAndTheSentenceSaysWhatToDo()
    {
        await RunAndStopAsync();
        await File.WriteAllTextAsync(Path.Combine(Data, "PG_VERSION"), "9\n", CancellationToken);
        var failed = await Assert.ThrowsAnyAsync<Exception>(StartsWithItsDataAsync);
        var sentence = Assert.IsType<DistributedApplicationException>(failed.GetBaseException()).Message;
        Assert.Contains("was made by PostgreSQL 9", sentence, StringComparison.Ordinal);
        Assert.Contains("--PostgresBin", sentence, StringComparison.Ordinal);
    }

    private async Task StartsWithItsDataAsync()
    {
        await using var app = await StartAsync(_place);
        await ExecuteAsync(app, "INSERT INTO kept VALUES (1)");
    }

    /// <summary>Leaves the file of the server that ran, as if its id were another process's now.</summary>
    private void LeavePidFile(int id) => File.WriteAllText(
        PidFile, $"{id}{_pidFileOfThatServer[_pidFileOfThatServer.IndexOf('\n')..]}");

    private static Task<DistributedApplication> StartAsync(Place place) => TestServers.StartAsync(
        [$"--DataPath={place.Data}", "--Parameters:postgres-password=not-a-secret"], "ledgerdb");

    private static async Task ExecuteAsync(DistributedApplication app, string sql)
    {
        await using var database = NpgsqlDataSource.Create(
            (await app.GetConnectionStringAsync("ledgerdb", CancellationToken))!);
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(CancellationToken).Soon();
    }
}
