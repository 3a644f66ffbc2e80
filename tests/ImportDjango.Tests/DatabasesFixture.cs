using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Npgsql;

[assembly: AssemblyFixture(typeof(ImportDjango.Tests.DatabasesFixture))]

namespace ImportDjango.Tests;

/// <summary>A real Postgres, and a database with each service's real schema, of which tests get copies.</summary>
public sealed class DatabasesFixture : IAsyncLifetime
{
    /// <summary>The databases, and the contexts that make their schemas. Those are the services' own.</summary>
    private static readonly (string Name, string Service, string Context)[] All =
    [
        ("identitydb", "Identity.Service", "Identity.Service.IdentityDb"),
        ("ledgerdb", "Ledger.Service", "Ledger.Service.LedgerDb"),
        ("chatdb", "Chat.Service", "Chat.Service.ChatDb"),
    ];

    private DistributedApplication? _app;
    private string _server = "";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _app = await TestServers.StartAsync([.. All.Select(database => database.Name)]);
        _server = (await _app.GetConnectionStringAsync("identitydb", CancellationToken))!;
        foreach (var (name, service, context) in All)
        {
            await using var db = Context(Assembly.Load(service).GetType(context, throwOnError: true)!, name);
            await db.Database.MigrateAsync(CancellationToken).Soon();
        }
    }

    /// <summary>Makes databases of a test's own, each with its schema.</summary>
    /// <returns>Their connection strings, by name.</returns>
    internal async Task<Dictionary<string, string>> CopyAsync()
    {
        var copies = new Dictionary<string, string>();
        await using var server = NpgsqlDataSource.Create(_server);
        foreach (var (name, _, _) in All)
        {
            var copy = $"{name}_{Guid.NewGuid():N}";
            await using var create = server.CreateCommand($"CREATE DATABASE {copy} TEMPLATE template_{name}");
            await create.ExecuteNonQueryAsync(CancellationToken).Soon();
            copies[name] = At(copy);
        }

        return copies;
    }

    /// <summary>The connection string of any database of the server.</summary>
    internal string At(string database) =>
        new NpgsqlConnectionStringBuilder(_server) { Database = database }.ConnectionString;

    public async ValueTask DisposeAsync() => await (_app?.DisposeAsync() ?? ValueTask.CompletedTask);

    /// <summary>The template's context. Nobody may be connected to it when it is copied.</summary>
    private DbContext Context(Type type, string name)
    {
        var options = (DbContextOptionsBuilder)Activator.CreateInstance(
            typeof(DbContextOptionsBuilder<>).MakeGenericType(type))!;
        options.UseNpgsql($"{At($"template_{name}")};Pooling=false").UseSnakeCaseNamingConvention().ConfigureWarnings(
            warnings => warnings.Ignore(
                Microsoft.EntityFrameworkCore.Diagnostics.RelationalEventId.PendingModelChangesWarning));
        return (DbContext)Activator.CreateInstance(type, options.Options)!;
    }
}
