using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aspire.Local.Tests;

/// <summary>Real servers start, keep what they should, and are gone afterwards.</summary>
public sealed class LifetimeTests : IDisposable
{
    private readonly string _store = Path.Combine(Path.GetTempPath(), $"lifetime-{Guid.NewGuid():N}");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        if (Directory.Exists(_store))
        {
            Directory.Delete(_store, recursive: true);
        }
    }

    [Fact]
    public async Task Postgres_WithAVolume_KeepsItsDataAndPassword()
    {
        string first, second;
        await using (var app = await StartPostgresAsync(volume: true))
        {
            first = (await app.GetConnectionStringAsync("db", Cancellation))!;
            await Sql.ExecuteAsync(first, "CREATE TABLE kept (n int)");
        }

        await using (var app = await StartPostgresAsync(volume: true))
        {
            second = (await app.GetConnectionStringAsync("db", Cancellation))!;
            await Sql.ExecuteAsync(second, "INSERT INTO kept VALUES (1)");
        }

        Assert.Equal(Password(first), Password(second));
        var refused = await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.ExecuteAsync(second, "SELECT 1"));
        Assert.IsNotType<PostgresException>(refused); // Nothing listens there any more.
    }

    [Fact]
    public async Task Postgres_WithoutAVolume_StartsEmpty()
    {
        await using (var app = await StartPostgresAsync(volume: false))
        {
            var connectionString = (await app.GetConnectionStringAsync("db", Cancellation))!;
            await Sql.ExecuteAsync(connectionString, "CREATE TABLE gone (n int)");
        }

        await using (var app = await StartPostgresAsync(volume: false))
        {
            var connectionString = (await app.GetConnectionStringAsync("db", Cancellation))!;
            await Sql.ExecuteAsync(connectionString, "CREATE TABLE gone (n int)");
        }
    }

    [Fact]
    public async Task Postgres_WithAWrongPassword_LetsNobodyIn()
    {
        await using var app = await StartPostgresAsync(volume: false);
        var connectionString = new NpgsqlConnectionStringBuilder(await app.GetConnectionStringAsync("db", Cancellation))
        {
            Password = "wrong",
            Pooling = false,
        };
        var refused = await Assert.ThrowsAsync<PostgresException>(
            () => Sql.ExecuteAsync(connectionString.ConnectionString, "SELECT 1"));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
    }

    [Fact]
    public async Task Secrets_Generated_AreInAPrivateFileAndInNoCommandLineOrLog()
    {
        AppHostLog? log = null;
        await using var app = await StartAsync(builder =>
        {
            log = builder.AddLog();
            builder.AddPostgres("postgres").WithDataVolume().AddDatabase("db");
        });
        await app.HealthyAsync("db");
        var password = Password((await app.GetConnectionStringAsync("db", Cancellation))!);
        Assert.All(log!.Lines, line => Assert.DoesNotContain(password, line, StringComparison.Ordinal));
        var file = Path.Combine(_store, "secrets.json");
        Assert.Contains(password, await File.ReadAllTextAsync(file, Cancellation), StringComparison.Ordinal);
        if (OperatingSystem.IsLinux()) // Elsewhere neither file modes nor /proc can be relied on.
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.All(
                Directory.EnumerateDirectories("/proc"),
                process => Assert.DoesNotContain(
                    password, ReadIfThere($"{process}/cmdline"), StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Output_WhoseReaderGivesUp_IsReadNoMore()
    {
        await using var app = await StartAsync(builder => builder.AddExecutable("silent", "sleep", ".", "600"));
        using var patience = new CancellationTokenSource();
        var output = app.Services.GetRequiredService<ResourceLoggerService>();
        await using var lines = output.WatchAsync("silent").GetAsyncEnumerator(patience.Token);
        var reading = lines.MoveNextAsync().AsTask();
        Assert.False(reading.IsCompleted);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(TestApp.Timeout, Cancellation));
    }

    [Fact]
    public async Task Executable_ThatIgnoresTheSignal_IsKilled()
    {
        var app = await StartAsync(builder => builder.AddExecutable(
            "stubborn", "sh", ".", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"));
        await app.SaysAsync("stubborn", "deaf");
        using var process = Process.GetProcessById(await app.PidAsync("stubborn"));
        await app.DisposeAsync().AsTask().WaitAsync(TestApp.Timeout, Cancellation);
        Assert.True(process.HasExited);
    }

    [Fact]
    public async Task Executable_ThatLeavesAProcessBehind_EndsAllTheSame()
    {
        await using var app = await StartAsync(builder => builder.AddExecutable(
            "parent", "sh", ".", "-c", "sleep 600 & echo $!"));
        await app.StateAsync("parent", KnownResourceStates.Finished);
        var child = int.Parse(await app.SaysAsync("parent", ""), System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            using var process = Process.GetProcessById(child);
            await process.WaitForExitAsync(Cancellation).WaitAsync(TestApp.Timeout, Cancellation);
        }
        catch (ArgumentException)
        {
            // It is gone already.
        }
    }

    private async Task<DistributedApplication> StartPostgresAsync(bool volume)
    {
        var app = await StartAsync(builder =>
        {
            var postgres = builder.AddPostgres("postgres");
            postgres.AddDatabase("db");
            if (volume)
            {
                postgres.WithDataVolume();
            }
        });
        await app.HealthyAsync("db");
        return app;
    }

    private Task<DistributedApplication> StartAsync(Action<IDistributedApplicationBuilder> describe) =>
        TestApp.StartAsync([$"--Aspire:Store:Path={_store}"], describe);

    private static string Password(string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString).Password!;

    private static string ReadIfThere(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ""; // That process has ended.
        }
    }
}
