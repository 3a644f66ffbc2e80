using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Ledger.Tests;

/// <summary>A database that one test has for itself, on the servers of all; dropped with it.</summary>
internal sealed class OwnDatabase : IAsyncDisposable
{
    private readonly string _server;
    private readonly string _name;

    private OwnDatabase(string server, string name)
    {
        _server = server;
        _name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
        Database = ServersFixture.NewDatabase(ConnectionString);
    }

    public string ConnectionString { get; }

    public NpgsqlDataSource Database { get; }

    /// <summary>Creates it, with the ledger's schema.</summary>
    /// <param name="server">A connection string of the server.</param>
    /// <param name="migration">The last migration to apply; all when null.</param>
    public static async Task<OwnDatabase> CreateAsync(string server, string? migration = null)
    {
        var database = new OwnDatabase(server, $"test_{Guid.NewGuid():N}");
        await database.OnServerAsync($"CREATE DATABASE {database._name}");
        await database.MigrateAsync(migration);
        return database;
    }

    /// <summary>Brings the schema up to a migration; to the last when null.</summary>
    public async Task MigrateAsync(string? migration = null)
    {
        await using var context = ServersFixture.NewContext(ConnectionString);
        await context.Database.MigrateAsync(migration, TestContext.Current.CancellationToken);
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        await OnServerAsync($"DROP DATABASE {_name} WITH (FORCE)");
    }

    private async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
