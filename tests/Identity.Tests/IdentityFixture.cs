using Npgsql;

[assembly: AssemblyFixture(typeof(Identity.Tests.IdentityFixture))]

namespace Identity.Tests;

/// <summary>
/// A real Postgres and two instances of Identity.Service on one database, once for all tests. Tests keep apart by users
/// of their own.
/// </summary>
public sealed class IdentityFixture : IAsyncLifetime
{
    private DistributedApplication? _app;
    private IdentityServer? _lenient;
    private IdentityServer? _strict;

    /// <summary>The service as it is by default.</summary>
    public IdentityServer Lenient => _lenient ?? throw new InvalidOperationException("The service has not started.");

    /// <summary>The service that takes no refresh token twice, not even a moment later.</summary>
    public IdentityServer Strict => _strict ?? throw new InvalidOperationException("The service has not started.");

    /// <summary>The database of both.</summary>
    public string ConnectionString { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        _app = await TestServers.StartAsync("identitydb");
        ConnectionString = (await _app.GetConnectionStringAsync("identitydb", cancellationToken))!;

        _lenient = new IdentityServer(ConnectionString);
        _strict = new IdentityServer(ConnectionString, new() { ["Auth:RefreshReuseLeeway"] = "00:00:00" });
        await Task.WhenAll(_lenient.StartAsync(), _strict.StartAsync());
    }

    /// <summary>Makes an empty database on the same server.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"identity_{Guid.NewGuid():N}";
        await using var server = NpgsqlDataSource.Create(ConnectionString);
        await using var create = server.CreateCommand($"CREATE DATABASE {name}");
        await create.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();
        return new NpgsqlConnectionStringBuilder(ConnectionString) { Database = name }.ConnectionString;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var resource in new IAsyncDisposable?[] { _lenient, _strict, _app })
        {
            await (resource?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }
}
