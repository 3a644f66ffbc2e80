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

    /// <summary>The database, as Chat.Service's statements use it.</summary>
    public NpgsqlDataSource Source => _source ?? throw new InvalidOperationException("The database has not started.");

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = DistributedApplicationTestingBuilder.Create();
        builder.AddPostgres("postgres").AddDatabase("chatdb");
        _app = await builder.BuildAsync(cancellationToken).Soon();
        await _app.StartAsync(cancellationToken).Soon();
        await _app.ResourceNotifications.WaitForResourceHealthyAsync("chatdb", cancellationToken).Soon();
        _source = NpgsqlDataSource.Create((await _app.GetConnectionStringAsync("chatdb", cancellationToken))!);

        await using var db = CreateContext();
        await db.Database.MigrateAsync(cancellationToken).Soon();
        await using var refusal = _source.CreateCommand(
            $"ALTER TABLE chats ADD CONSTRAINT ck_test CHECK (status <> 1 OR message <> '{Unstorable}')");
        await refusal.ExecuteNonQueryAsync(cancellationToken).Soon();
    }

    /// <summary>A context with the options of <c>AddServiceDatabase</c>.</summary>
    internal ChatDb CreateContext() => new(
        new DbContextOptionsBuilder<ChatDb>().UseNpgsql(Source).UseSnakeCaseNamingConvention().Options);

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
