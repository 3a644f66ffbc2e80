using Chat.Service;
using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Chat.Tests;

/// <summary>The chats' table: whoever writes a charge's row first decides.</summary>
public sealed class ChatStoreTests(ChatDatabase database)
{
    private readonly ChatStore _store = new(database.Source);
    private readonly PendingChat _chat = new(Guid.NewGuid(), UserId: 8, "hello") { Most = 100 };

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Add_AfterTheTombstone_StoresNothing()
    {
        Assert.Equal(ChatStatus.Tombstone, (await TombstoneAsync()).Status);
        Assert.Null(await AddAsync());
        Assert.Equal(ChatStatus.Tombstone, await StatusAsync());
    }

    [Fact]
    public async Task Tombstone_OfAConversationsChat_IsKnownAsThatRequest()
    {
        var chat = _chat with { Conversation = Guid.NewGuid() };
        var tombstone = await _store.AddTombstoneAsync(chat.ToHold(), CancellationToken).Soon();
        Assert.True(tombstone.IsOf(chat));
        Assert.False(tombstone.IsOf(New(chat, conversation: null)));
        Assert.Null(tombstone.ConversationId);
    }

    [Fact]
    public async Task Tombstone_AfterTheChat_IsNotSetAndShowsTheChat()
    {
        var stored = await AddAsync();
        Assert.Equivalent(stored, await TombstoneAsync(), strict: true);
        Assert.Equal(ChatStatus.Completed, await StatusAsync());
    }

    [Fact]
    public async Task ChatAndTombstones_AllAtOnce_OnlyOneIsWritten()
    {
        var rows = await Task.WhenAll(Enumerable.Range(0, 16).Select(async n =>
            n % 2 == 0 ? (await AddAsync())?.Status : (await TombstoneAsync()).Status)).Soon();
        var status = await StatusAsync();
        Assert.All(rows, row => Assert.True(row is null || row == status, $"{row}, but {status} stands"));
    }

    /// <summary>What gathers while two batches are under way is stored in few statements.</summary>
    [Fact]
    public async Task Chats_ManyAtOnce_AreAllStoredWithNumbersAndConversationsOfTheirOwn()
    {
        var user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
        Guid[] conversations = [Guid.NewGuid(), Guid.NewGuid()];
        var chats = Enumerable.Range(0, 300).Select(n => new PendingChat(Guid.NewGuid(), user, $"message {n}")
        {
            Most = n,
            Conversation = n % 3 is 2 ? null : conversations[n % 3],
        }).ToList();
        var stored = await Task.WhenAll(chats.Select(chat => _store.AddAsync(chat.Answered("hi", chat.Most)))).Soon();

        var found = await _store.FindAsync(user, [.. chats.Select(chat => chat.Id)], CancellationToken).Soon();
        foreach (var (chat, row) in chats.Zip(stored))
        {
            Assert.Equivalent(row, found[chat.Id], strict: true);
            Assert.Equal((chat.Message, chat.Most, chat.Conversation), (row!.Message, row.Cost, row.ConversationId));
        }

        Assert.Equal(stored.Length, stored.Select(row => row!.Id).Distinct().Count());
        await using var db = database.CreateContext();
        Assert.Equal(
            conversations.Order(),
            (await db.Conversations.Where(each => each.UserId == user).Select(each => each.Id)
                .ToListAsync(CancellationToken).Soon()).Order());
    }

    [Fact]
    public async Task Chat_ThatPostgresRefuses_KeepsNoOtherOfItsBatchOut()
    {
        var chats = Enumerable.Range(0, 100).Select(n => new PendingChat(
            Guid.NewGuid(), UserId: 8, n % 10 is 5 ? ChatDatabase.Unstorable : "hello") { Most = 100 }).ToList();
        var stores = chats.ConvertAll(chat => _store.AddAsync(chat.Answered("hi", 3900)));
        foreach (var (chat, store) in chats.Zip(stores))
        {
            if (chat.Message is ChatDatabase.Unstorable)
            {
                await Assert.ThrowsAsync<PostgresException>(() => store.Soon());
            }
            else
            {
                Assert.NotNull(await store.Soon());
            }
        }
    }

    [Theory]
    [InlineData(1, null, null)]
    [InlineData(1, "hi", null)]
    [InlineData(1, null, 3900L)]
    [InlineData(2, "hi", 3900L)]
    public async Task Row_ThatIsNeitherAChatNorATombstone_IsRefused(short status, string? response, long? tokens)
    {
        await using var db = database.CreateContext();
        db.Chats.Add(new StoredChat
        {
            UserId = 8,
            Status = (ChatStatus)status,
            Message = "hello",
            Response = response,
            Tokens = tokens,
            HoldId = _chat.Id,
        });
        var refused = await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync(CancellationToken).Soon());
        Assert.Equal("ck_chats_response", Assert.IsType<PostgresException>(refused.InnerException).ConstraintName);
    }

    [Fact]
    public async Task Model_AgainstItsMigrations_HasNoChanges()
    {
        await using var db = database.CreateContext();
        Assert.False(db.Database.HasPendingModelChanges(), "Add a migration: the model has changed.");
    }

    /// <summary>Chats can be split by user, so no key may reach over users (invariant 9).</summary>
    [Fact]
    public async Task UniqueIndexes_OfAllTables_HaveTheUser()
    {
        await using var own = await database.CreateOwnAsync();
        Assert.Empty(await AccountKeys.MissingAsync(own, "user_id"));

        await using var bad = own.CreateCommand(
            "CREATE UNIQUE INDEX bad_hold ON chats (hold_id); CREATE TABLE bad (id bigint)");
        await bad.ExecuteNonQueryAsync(CancellationToken).Soon();
        Assert.Equal(["bad: no primary key", "bad_hold"], await AccountKeys.MissingAsync(own, "user_id"));
    }

    [Fact]
    public async Task Database_OfAnotherVersion_IsLeftAloneAndTheSentenceSaysWhatToDo()
    {
        await using var own = await database.CreateOwnAsync();
        await using var other = own.CreateCommand(
            "UPDATE \"__EFMigrationsHistory\" SET migration_id = '20251122180849_Initial'");
        await other.ExecuteNonQueryAsync(CancellationToken).Soon();
        await using var services = new ServiceCollection()
            .AddDbContext<ChatDb>(options => options.UseNpgsql(own).UseSnakeCaseNamingConvention())
            .BuildServiceProvider();
        var refused = await Assert.ThrowsAsync<OtherSchemaException>(
            () => services.MigrateAsync<ChatDb>(CancellationToken).Soon());
        Assert.Contains("20251122180849_Initial", ServiceRun.Explain(refused)!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "2025-01-06T12:34:56.7890000Z")]
    [InlineData(9_999, "2025-01-06T12:34:56.7890000Z")]
    [InlineData(10_000, "2025-01-06T12:34:56.7900000Z")]
    public void Utc_OfATimeWithTicksAndOffset_IsCutToTheMillisecond(long ticks, string expected)
    {
        var time = new DateTimeOffset(2025, 1, 6, 14, 34, 56, 789, TimeSpan.FromHours(2)).AddTicks(ticks);
        var utc = StoredChat.Utc(time);
        Assert.Equal(DateTimeKind.Utc, utc.Kind);
        Assert.Equal(expected, utc.ToString("o"));
    }

    private static PendingChat New(PendingChat chat, Guid? conversation) =>
        new(chat.Id, chat.UserId, chat.Message) { Most = chat.Most, Conversation = conversation };

    private Task<StoredChat?> AddAsync() => _store.AddAsync(_chat.Answered("hi", 3900)).Soon();

    private Task<StoredChat> TombstoneAsync() => _store.AddTombstoneAsync(_chat.ToHold(), CancellationToken).Soon();

    private async Task<ChatStatus> StatusAsync()
    {
        await using var db = database.CreateContext();
        return (await db.Chats.SingleAsync(chat => chat.HoldId == _chat.Id, CancellationToken).Soon()).Status;
    }
}
