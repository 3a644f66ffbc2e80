using Chat.Service.Charges;
using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Chat.Tests;

/// <summary>The chats' table: whoever writes a charge's row first decides.</summary>
public sealed class ChatStoreTests(ChatDatabase database)
{
    private readonly ChatStore _store = new(database.Source);
    private readonly ChatCharge _charge = new(Guid.NewGuid(), UserId: 8, "hello", Cost: 100);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Add_AfterTheTombstone_StoresNothing()
    {
        Assert.True(await _store.AddTombstoneAsync(_charge, CancellationToken).Soon());
        Assert.Null(await _store.AddAsync(_charge, "hi", 3900, CancellationToken).Soon());
        Assert.Equal(ChatStatus.Refunded, await StatusAsync());
    }

    [Fact]
    public async Task Tombstone_OfAConversationsCharge_IsKnownAsThatRequest()
    {
        var charge = _charge with { Conversation = Guid.NewGuid() };
        Assert.True(await _store.AddTombstoneAsync(charge, CancellationToken).Soon());
        var found = await _store.FindAsync(charge.Id, CancellationToken).Soon();
        Assert.False(found!.DiffersFrom(charge));
        Assert.True(found.DiffersFrom(charge with { Conversation = null }));
        Assert.Null(found.ConversationId);
    }

    [Fact]
    public async Task Tombstone_AfterTheChat_IsNotSet()
    {
        Assert.NotNull(await _store.AddAsync(_charge, "hi", 3900, CancellationToken).Soon());
        Assert.False(await _store.AddTombstoneAsync(_charge, CancellationToken).Soon());
        Assert.Equal(ChatStatus.Completed, await StatusAsync());
    }

    [Fact]
    public async Task ChatAndTombstones_AllAtOnce_OnlyOneIsWritten()
    {
        var writes = await Task.WhenAll(Enumerable.Range(0, 16).Select(async n => n % 2 == 0
            ? await _store.AddAsync(_charge, "hi", 3900, CancellationToken) is not null
            : await _store.AddTombstoneAsync(_charge, CancellationToken))).Soon();
        Assert.Single(writes, written => written);
        await StatusAsync();
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
            ChargeId = _charge.Id,
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

    private async Task<ChatStatus> StatusAsync()
    {
        await using var db = database.CreateContext();
        return (await db.Chats.SingleAsync(chat => chat.ChargeId == _charge.Id, CancellationToken).Soon()).Status;
    }
}
