using Chat.Service;
using Microsoft.EntityFrameworkCore;
using Npgsql;

[assembly: AssemblyFixture(typeof(Chat.Tests.ChatDatabase))]

namespace Chat.Tests;

/// <summary>
/// A real Postgres with chatdb's real schema, once for all tests, gone afterwards. Tests keep apart by charges of
/// their own.
/// </summary>
public sealed class ChatDatabase : IAsyncLifetime
{
    /// <summary>A message whose completed chat this database refuses. Its tombstone it takes.</summary>
    public const string Unstorable = "cannot be stored";

    private DistributedApplication? _app;
    private NpgsqlDataSource? _source;
    private string? _connectionString;

    /// <summary>The database, as Chat.Service's statements use it.</summary>
    public NpgsqlDataSource Source => _source ?? throw new InvalidOperationException("The database has not started.");

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        _app = await TestServers.StartAsync("chatdb");
        _connectionString = await _app.GetConnectionStringAsync("chatdb", cancellationToken);
        _source = NpgsqlDataSource.Create(_connectionString!);

        await using var db = CreateContext();
        await db.Database.MigrateAsync(cancellationToken).Soon();
        await using var refusal = _source.CreateCommand(
            $"ALTER TABLE chats ADD CONSTRAINT ck_test CHECK (status <> 1 OR message <> '{Unstorable}')");
        await refusal.ExecuteNonQueryAsync(cancellationToken).Soon();
    }

    /// <summary>A context with the options of <c>AddServiceDatabase</c>.</summary>
    internal ChatDb CreateContext() => CreateContext(Source);

    /// <summary>The database's own port, for what stands between it and a replica.</summary>
    internal int Port => new NpgsqlConnectionStringBuilder(_connectionString).Port;

    /// <summary>The database by another way.</summary>
    /// <param name="way">What leads to <see cref="Port"/>.</param>
    internal NpgsqlDataSource SourceThrough(TestProxy way) => NpgsqlDataSource.Create(
        new NpgsqlConnectionStringBuilder(_connectionString) { Host = "127.0.0.1", Port = way.Port }.ConnectionString);

    /// <summary>An empty database of a test's own, on the same server.</summary>
    internal async Task<NpgsqlDataSource> CreateOwnAsync()
    {
        var name = $"own_{Guid.NewGuid():N}";
        await using var create = Source.CreateCommand($"CREATE DATABASE {name}");
        await create.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();
        var source = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(_connectionString) { Database = name }.ConnectionString);
        await using var db = CreateContext(source);
        await db.Database.MigrateAsync(TestContext.Current.CancellationToken).Soon();
        return source;
    }

    /// <summary>What connects to a database of a test's own, with its password.</summary>
    internal string ConnectionStringOf(NpgsqlDataSource own) => new NpgsqlConnectionStringBuilder(_connectionString)
    {
        Database = new NpgsqlConnectionStringBuilder(own.ConnectionString).Database,
    }.ConnectionString;

    /// <summary>A context on a database of a test's own.</summary>
    internal static ChatDb CreateContext(NpgsqlDataSource source) => new(
        new DbContextOptionsBuilder<ChatDb>().UseNpgsql(source).UseSnakeCaseNamingConvention().Options);

    public async ValueTask DisposeAsync()
    {
        if (_source is not null)
        {
            await _source.DisposeAsync();
        }

        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }
}
