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
    public static async Task<OwnDatabase> CreateAsync(string server)
    {
        var database = new OwnDatabase(server, $"test_{Guid.NewGuid():N}");
        await database.OnServerAsync($"CREATE DATABASE {database._name}");
        await using var context = ServersFixture.NewContext(database.ConnectionString);
        await context.Database.MigrateAsync(TestContext.Current.CancellationToken);
        return database;
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
