using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>A Django project moves in: into all databases, with <c>--ImportDjango</c>.</summary>
[Trait("Category", "Slow")]
public sealed class ImportTests
{
    /// <summary>The password of alice and bob, as Django's own PBKDF2 has kept it.</summary>
    private const string Password = "old django password";

    private const string Schema = """
        CREATE TABLE "api_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL,
            "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "is_active" bool NOT NULL,
            "date_joined" datetime NOT NULL, "tokens" integer NOT NULL);
        CREATE TABLE "api_chat" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "message" text NOT NULL,
            "response" text NOT NULL, "timestamp" datetime NOT NULL, "user_id" bigint NOT NULL);
        INSERT INTO api_user (id, password, is_superuser, username, is_active, date_joined, tokens) VALUES
            (1, $hash, 0, 'alice', 1, '2024-05-06 07:08:09.000001', 3700),
            (2, $hash, 0, 'bob', 1, '2024-05-06 07:08:10', -100),
            (3, $hash, 0, 'carol', 1, '2024-05-06 07:08:11', 4000);
        INSERT INTO api_chat (user_id, message, response, timestamp) VALUES
            (1, 'second', 'reply 2', '2025-01-06 12:34:56.789012'), (2, 'of bob', 'reply', '2025-01-06 12:34:56'),
            (1, $large, 'reply 3', '2025-01-07 00:00:00'), (1, 'first', 'reply 1', '2024-01-02 03:04:05');
        """;

    private const string Hash =
        "pbkdf2_sha256$260000$PJ2LkoUfJdXKoZsnpuM1fg$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=";

    // More than a new message may have, and than any other request.
    private static readonly string Large = new('x', 1 << 20);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DjangoProject_Imported_HasItsUsersPasswordsBalancesAndChats()
    {
        var file = Path.Combine(Path.GetTempPath(), $"django-{Guid.NewGuid():N}.sqlite3");
        try
        {
            Write(file);
            await using var own = new AppHostFixture($"--ImportDjango={file}");
            await own.InitializeAsync();
            Assert.Equal(0, await EndOfAsync(own, "django-import")); // It starts by itself, once all is ready.

            using var alice = await LogInAsync(own, "alice");
            await AssertIsAliceAsync(alice);
            using var bob = await LogInAsync(own, "bob");
            Assert.Equal(0, await bob.BalanceAsync());
            using var broke = await bob.PostAsync("/api/chat", new { message = "on credit?" });
            await broke.ProblemAsync(HttpStatusCode.PaymentRequired);
            using var carol = await LogInAsync(own, "carol");
            await LeaveAsync(carol);

            var before = await RowsAsync(own);
            await StartAsync(own, "django-import");
            Assert.Equal(0, await EndOfAsync(own, "django-import"));
            Assert.Equal(before, await RowsAsync(own));
            await StartAsync(own, "ledger-verify");
            Assert.Equal(0, await EndOfAsync(own, "ledger-verify"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task AssertIsAliceAsync(HttpClient alice)
    {
        Assert.Equal(3700, await alice.BalanceAsync());
        using var read = await alice.ReadAsync("/api/tokens/history");
        var entry = Assert.Single((await read.ReadAsync<JsonElement>(HttpStatusCode.OK)).EnumerateArray());
        Assert.Equal(("opening", 3700L, 3700L), (
            entry.GetProperty("kind").GetString(), entry.GetProperty("amount").GetInt64(),
            entry.GetProperty("balance").GetInt64()));

        using var sent = await alice.PostAsync("/api/chat", new { message = "new" });
        var paid = await sent.ReadAsync<Chat>(HttpStatusCode.Created);
        var chats = await alice.ReadPagesAsync<Chat>("/api/chat"); // A page ends where its chats have 1 MiB.

        Assert.Equal(
            [
                ("new", "AI Response to: new", paid.Timestamp, 100, 3600),
                (Large, "reply 3", new(2025, 1, 7, 0, 0, 0, TimeSpan.Zero), 0, null),
                ("second", "reply 2", new(2025, 1, 6, 12, 34, 56, 789, TimeSpan.Zero), 0, null),
                ("first", "reply 1", new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.Zero), 0, (long?)null),
            ],
            chats.Select(chat => (chat.Message, chat.Response, chat.Timestamp, chat.Cost, chat.Tokens)));
        using var one = await alice.ReadAsync($"/api/chat/{chats[^1].Id}");
        Assert.Equal(chats[^1], await one.ReadAsync<Chat>(HttpStatusCode.OK));
    }

    private static void Write(string file)
    {
        using var database = new SqliteConnection($"Data Source={file};Pooling=False");
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText = Schema;
        command.Parameters.AddWithValue("$hash", Hash);
        command.Parameters.AddWithValue("$large", Large);
        command.ExecuteNonQuery();
    }

    private static async Task<HttpClient> LogInAsync(AppHostFixture own, string name)
    {
        var client = own.CreateClient();
        var tokens = await client.LoginAsync(name, Password);
        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
        return client;
    }

    private static async Task LeaveAsync(HttpClient client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, "/api/me")
        {
            Content = JsonContent.Create(new { password = Password }),
        };
        using var left = await client.SendAsync(request, CancellationToken);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);
    }

    /// <summary>Everything that an import may write.</summary>
    private static async Task<string> RowsAsync(AppHostFixture own)
    {
        var rows = new List<string>();
        foreach (var (name, tables) in new[]
        {
            ("identitydb", new[] { "users", "django_import" }), ("ledgerdb", ["accounts", "transfers"]),
            ("chatdb", ["chats"]),
        })
        {
            await using var database = NpgsqlDataSource.Create(
                (await own.App.GetConnectionStringAsync(name, CancellationToken))!);
            foreach (var table in tables)
            {
                await using var read = database.CreateCommand(
                    $"SELECT string_agg(row, '\n' ORDER BY row) FROM (SELECT t::text AS row FROM {table} t) rows");
                rows.Add($"{await read.ExecuteScalarAsync(CancellationToken)}");
            }
        }

        return string.Join("\n\n", rows);
    }

    private static async Task StartAsync(AppHostFixture own, string command)
    {
        var running = own.App.ResourceNotifications.WaitForResourceAsync(
            command, e => e.Snapshot.ExitCode is null && e.Snapshot.State?.Text == KnownResourceStates.Running,
            CancellationToken);
        var started = await own.App.ResourceCommands.ExecuteCommandAsync(
            command, KnownResourceCommands.StartCommand, CancellationToken);
        Assert.True(started.Success, started.Message);
        await running.WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
    }

    private static async Task<int?> EndOfAsync(AppHostFixture own, string command)
    {
        var ended = await own.App.ResourceNotifications.WaitForResourceAsync(
            command, e => e.Snapshot.ExitCode is not null, CancellationToken)
            .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        return ended.Snapshot.ExitCode;
    }

    private sealed record Chat(
        long Id, string Message, string Response, DateTimeOffset Timestamp, long Cost, long? Tokens);
}
