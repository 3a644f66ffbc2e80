using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aspire.Local.Tests;

/// <summary>Real servers start, keep what they should, and are gone afterwards.</summary>
public sealed class LifetimeTests : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

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
    public async Task Secrets_Generated_AreInAPrivateFileAndInNoCommandLine()
    {
        await using var app = await StartPostgresAsync(volume: true);
        var password = Password((await app.GetConnectionStringAsync("db", Cancellation))!);
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
    public async Task Executable_ThatWaitsForAnother_StartsAfterIt()
    {
        await using var builder = DistributedApplicationTestingBuilder.Create();
        var first = builder.AddExecutable("first", "sh", ".", "-c", "exit 3");
        builder.AddExecutable("second", "sh", ".", "-c", "exit 0").WaitForCompletion(first, exitCode: 3);
        builder.AddExecutable("third", "sh", ".", "-c", "exit 0").WaitForCompletion(first, exitCode: 0);
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        await app.ResourceNotifications.WaitForResourceAsync("second", KnownResourceStates.Finished, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        await app.ResourceNotifications.WaitForResourceAsync("third", KnownResourceStates.FailedToStart, Cancellation)
            .WaitAsync(Timeout, Cancellation);
    }

    [Fact]
    public async Task Executable_ThatIgnoresTheSignal_IsKilled()
    {
        var app = await StartAsync(builder => builder.AddExecutable(
            "stubborn", "sh", ".", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"));
        await SaysAsync(app, "stubborn", "deaf");
        var state = await app.ResourceNotifications.WaitForResourceAsync(
            "stubborn", e => e.Snapshot.Properties.Length > 0, Cancellation).WaitAsync(Timeout, Cancellation);
        using var process = Process.GetProcessById((int)state.Snapshot.Properties.Single().Value!);
        await app.DisposeAsync().AsTask().WaitAsync(Timeout, Cancellation);
        Assert.True(process.HasExited);
    }

    [Fact]
    public async Task Executable_ThatLeavesAProcessBehind_EndsAllTheSame()
    {
        await using var app = await StartAsync(builder => builder.AddExecutable(
            "parent", "sh", ".", "-c", "sleep 600 & echo $!"));
        await app.ResourceNotifications.WaitForResourceAsync("parent", KnownResourceStates.Finished, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        var child = int.Parse(await SaysAsync(app, "parent", ""), System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            using var process = Process.GetProcessById(child);
            await process.WaitForExitAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        }
        catch (ArgumentException)
        {
            // It is gone already.
        }
    }

    /// <summary>Waits for a line of output.</summary>
    private static async Task<string> SaysAsync(DistributedApplication app, string resource, string text)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Timeout);
        var output = app.Services.GetRequiredService<ResourceLoggerService>();
        await foreach (var lines in output.WatchAsync(resource).WithCancellation(patience.Token))
        {
            if (lines.FirstOrDefault(line => line.Content.Contains(text, StringComparison.Ordinal)).Content is { } said)
            {
                return said;
            }
        }

        throw new InvalidOperationException("Output does not end before its reader does.");
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
        await app.ResourceNotifications.WaitForResourceHealthyAsync("db", Cancellation)
            .WaitAsync(Timeout, Cancellation);
        return app;
    }

    private async Task<DistributedApplication> StartAsync(Action<IDistributedApplicationBuilder> describe)
    {
        var builder = DistributedApplicationTestingBuilder.Create($"--Aspire:Store:Path={_store}");
        describe(builder);
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return app;
    }

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
