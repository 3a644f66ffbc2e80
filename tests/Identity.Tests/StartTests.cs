using System.Diagnostics;
using System.Net;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Identity.Tests;

/// <summary>What the service does before it listens.</summary>
public sealed class StartTests(IdentityFixture identity)
{
    private const string OldSecret = "an older secret of the tests";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Clients:chat:Secret", "")]
    [InlineData("Clients:chat:Secret", "15 characters..")]
    [InlineData("Clients:ledger:Secret", "")]
    [InlineData("Clients:ledger:Secret", "15 characters..")]
    [InlineData("Opening:Credits", "-1")]
    [InlineData("Admin:Username", "")]
    [InlineData("Admin:Username", "two words")]
    [InlineData("Admin:Password", "")]
    [InlineData("Admin:Password", "1234567")]
    [InlineData("Admin:Password", "Password123")]
    [InlineData("Auth:Issuer", "identity")]
    [InlineData("Auth:Issuer", "ftp://identity/")]
    [InlineData("Auth:Issuer", "http://identity")]
    [InlineData("Auth:Issuer", "http://identity/?a=b")]
    [InlineData("Auth:AccessTokenLifetime", "00:00:00")]
    [InlineData("Auth:AccessTokenLifetime", "1.00:00:01")]
    [InlineData("Auth:AccessTokenLifetime", "soon")]
    [InlineData("Auth:RefreshTokenLifetime", "00:59:59")]
    [InlineData("Auth:RefreshTokenLifetime", "91.00:00:00")]
    [InlineData("Auth:RefreshReuseLeeway", "-00:00:01")]
    [InlineData("Auth:RefreshReuseLeeway", "00:00:31")]
    [InlineData("Auth:KeyProtectionSecret", "")]
    [InlineData("Auth:KeyProtectionSecret", "31 characters are one too few..")]
    [InlineData("Auth:KeyRefreshInterval", "00:00:01")]
    [InlineData("Auth:KeyRotation:ReadInterval", "00:00:00")]
    [InlineData("Auth:KeyRotation:ReadInterval", "01:00:01")]
    [InlineData("Auth:KeyRotation:PublishAhead", "00:10:59")]
    [InlineData("Auth:KeyRotation:SignFor", "1.00:00:00")]
    [InlineData("Auth:KeyRotation:SignFor", "400.00:00:00")]
    [InlineData("Auth:PasswordIterations", "9999")]
    [InlineData("Login:MaxParallelHashes", "0")]
    [InlineData("Login:MaxQueuedHashes", "-1")]
    [InlineData("Login:FreeFailures", "0")]
    [InlineData("Login:AccountFreeFailures", "0")]
    [InlineData("Login:FirstDelay", "00:00:00")]
    [InlineData("Login:FirstDelay", "00:05:00")]
    [InlineData("Login:MaxDelay", "01:00:01")]
    [InlineData("Login:AccountMaxDelay", "01:00:01")]
    [InlineData("Login:AddressFailuresPerMinute", "0")]
    [InlineData("Login:KnownProxies:0", "the gateway")]
    [InlineData("ConnectionStrings:identitydb", "")]
    public async Task Start_WithABadOption_EndsWithASentenceThatNamesIt(string option, string value)
    {
        var (exitCode, error) = await RunAsync(new()
        {
            // Nothing listens on port 1: options are checked before the database is asked.
            ["ConnectionStrings:identitydb"] = "Host=127.0.0.1;Port=1",
            ["Clients:chat:Secret"] = IdentityServer.ChatSecret,
            ["Clients:ledger:Secret"] = IdentityServer.LedgerSecret,
            ["Clients:gateway:Secret"] = IdentityServer.GatewaySecret,
            ["Auth:KeyProtectionSecret"] = IdentityServer.KeySecret,
            ["Admin:Username"] = IdentityServer.AdminName,
            ["Admin:Password"] = IdentityServer.AdminPassword,
            [option] = value,
        });
        Assert.True(exitCode == 1, $"Exit code {exitCode}: {error}");
        Assert.Contains(option, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.DoesNotContain(IdentityServer.AdminPassword, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhileAnotherTakesLongerThanACommandMay_WaitsForIt()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using (var first = new IdentityServer(connectionString))
        {
            await first.StartAsync();
        }

        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var other = await source.OpenConnectionAsync(CancellationToken);
        await ExecuteAsync($"SELECT pg_advisory_lock({Turns.LockId})");
        await using var server = new IdentityServer($"{connectionString};Command Timeout=1");
        var start = server.StartAsync();
        bool isWaiting;
        do
        {
            isWaiting = await ExecuteAsync(
                """
                SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                    AND wait_event = 'advisory' AND clock_timestamp() - query_start > interval '1.5 seconds')
                """) is true;
        }
        while (!isWaiting && !start.IsCompleted);

        await ExecuteAsync($"SELECT pg_advisory_unlock({Turns.LockId})");
        await start;
        Assert.True(isWaiting, "It did not wait.");

        async Task<object?> ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, other);
            return await command.ExecuteScalarAsync(CancellationToken).Soon();
        }
    }

    [Fact]
    public async Task Start_OfTwoInstancesOnAnEmptyDatabase_MakesOneSetOfKeys()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using var one = new IdentityServer(connectionString);
        await using var other = new IdentityServer(connectionString);
        await Task.WhenAll(one.StartAsync(), other.StartAsync());

        using var first = one.CreateClient();
        using var second = other.CreateClient();
        var keys = await first.GetStringAsync("/.well-known/jwks", CancellationToken).Soon();
        Assert.Equal(keys, await second.GetStringAsync("/.well-known/jwks", CancellationToken).Soon());

        await using var scope = one.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        Assert.Equal(
            [KeyUse.Signing, KeyUse.Encryption],
            await db.SigningKeys.Select(key => key.Use).Order().ToListAsync(CancellationToken).Soon());
        Assert.Equal(1, await db.DataProtectionKeys.CountAsync(CancellationToken).Soon());

        // What one has issued the other takes.
        var tokens = await first.NewUserAsync();
        using var refreshed = await second.RefreshAsync(tokens.Refresh);
        await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Start_WithANewSecret_LetsInTheNewOneOnly()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using (var before = new IdentityServer(connectionString, new() { ["Clients:chat:Secret"] = OldSecret }))
        {
            await before.StartAsync();
        }

        await using var after = new IdentityServer(connectionString);
        await after.StartAsync();
        using var client = after.CreateClient();
        using var old = await client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "chat"), ("client_secret", OldSecret));
        Assert.Equal("invalid_client", await old.OAuthErrorAsync());
        using var current = await client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "chat"), ("client_secret", IdentityServer.ChatSecret));
        await current.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Model_AgainstItsMigrations_HasNoChanges()
    {
        await using var scope = identity.Lenient.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        Assert.False(db.Database.HasPendingModelChanges(), "Add a migration: the model has changed.");
    }

    /// <summary>Runs the built service as a process of its own, as an operator does.</summary>
    internal static async Task<(int ExitCode, string Error)> RunAsync(Dictionary<string, string> settings)
    {
        var (exitCode, _, error) = await RunAsync(settings, "--urls=http://127.0.0.1:0");
        return (exitCode, error);
    }

    /// <summary>Runs the built service's program with arguments, and settings after them.</summary>
    internal static async Task<(int ExitCode, string Output, string Error)> RunAsync(
        Dictionary<string, string> settings, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(
            "dotnet",
            [
                Path.Combine(AppContext.BaseDirectory, "Identity.Service.dll"), .. arguments,
                .. settings.Select(setting => $"--{setting.Key}={setting.Value}"),
            ])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
            var error = process.StandardError.ReadToEndAsync(CancellationToken);
            await process.WaitForExitAsync(CancellationToken).Soon();
            return (process.ExitCode, await output.Soon(), await error.Soon());
        }
        finally
        {
            process.Kill();
        }
    }
}
