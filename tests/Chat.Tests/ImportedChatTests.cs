using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Chat.Tests;

/// <summary>Chats that tools/ImportDjango has stored: never taken for paid ones, and gone with their user.</summary>
public sealed class ImportedChatTests(ChatDatabase database)
{
    private const long User = 1_000_000;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, null, null)]
    [InlineData(0, "reply", 3900L)]
    [InlineData(100, "reply", null)]
    public async Task Row_ThatIsImportedAndPaid_IsRefused(long cost, string? response, long? tokens)
    {
        var refused = await Assert.ThrowsAsync<PostgresException>(() => InsertAsync(1, cost, response, tokens));
        Assert.Equal("ck_chats_imported", refused.ConstraintName);
    }

    [Fact]
    public async Task Erasure_OfAUserWithImportedChats_LeavesNoRow()
    {
        await InsertAsync(User, 0, "reply", null);
        await InsertAsync(User, 0, "", null);
        await using var ledger = await TestLedger.StartAsync();
        using var replica = new TestReplica(database.Source, ledger.Address);
        await using var db = database.CreateContext();
        Assert.Equal(2, await db.Chats.CountAsync(chat => chat.UserId == User, CancellationToken).Soon());
        var erasure = new Erasure(db, replica.Settlement, replica.Running);
        Assert.Equal(2, await erasure.EraseUserAsync(User, CancellationToken).Soon());
        Assert.False(await db.Chats.AnyAsync(chat => chat.UserId == User, CancellationToken).Soon());
    }

    private async Task InsertAsync(long user, long cost, string? response, long? tokens)
    {
        await using var insert = database.Source.CreateCommand(
            "INSERT INTO chats (user_id, status, message, response, cost, tokens, hold_id) "
            + "VALUES ($1, 4, 'x', $2, $3, $4, gen_random_uuid())");
        insert.Parameters.Add(new NpgsqlParameter<long> { TypedValue = user });
        insert.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = response });
        insert.Parameters.Add(new NpgsqlParameter<long> { TypedValue = cost });
        insert.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = tokens });
        await insert.ExecuteNonQueryAsync(CancellationToken).Soon();
    }
}
