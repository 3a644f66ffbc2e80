using System.ComponentModel.DataAnnotations;
using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Chat.Tests;

/// <summary>Chats from another system: stored once, in order, with their times, never taken for paid ones.</summary>
public sealed class ImportTests(ChatDatabase database)
{
    private static long s_lastUser = 1_000_000;

    private readonly long _user = Interlocked.Increment(ref s_lastUser);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Import_OfABatch_KeepsOrderAndTimesAndHasNoHold()
    {
        // The numbers follow the order in which they are sent, and not that of the keys.
        var chats = Enumerable.Range(0, 500).Select(n => Chat($"message {n}")).ToList();
        Assert.True(await ImportAsync(chats));
        var rows = await RowsAsync();
        Assert.Equal(chats.Select(chat => (chat.Key, chat.Message, chat.Response)),
            rows.Select(row => (row.HoldId, row.Message, row.Response!)));
        Assert.All(rows, row => Assert.Equal(
            (ChatStatus.Imported, 0L, (long?)null, new DateTimeOffset(2024, 1, 2, 3, 4, 5, 678, 901, TimeSpan.Zero)),
            (row.Status, row.Cost, row.Tokens, row.CreatedAt)));
        Assert.Null(rows[0].ToResponse().Tokens);
    }

    [Fact]
    public async Task Import_Again_ChangesNothingAndAddsWhatIsNew()
    {
        ImportedChat[] chats = [Chat("one"), Chat("two"), Chat("three")];
        Assert.True(await ImportAsync(chats[..2]));
        var before = await RowsAsync();
        Assert.True(await ImportAsync(chats[..2]));
        Assert.Equal(before.Select(row => row.Id), (await RowsAsync()).Select(row => row.Id));
        Assert.True(await ImportAsync([.. chats, chats[2]]));
        Assert.Equal(["one", "two", "three"], (await RowsAsync()).Select(row => row.Message));
    }

    [Theory]
    [InlineData("message")]
    [InlineData("response")]
    [InlineData("time")]
    public async Task Import_OfAKeyThatIsAnotherChats_IsRefusedAndStoresNothing(string other)
    {
        var chat = Chat("hello");
        Assert.True(await ImportAsync([chat]));
        var changed = other switch
        {
            "message" => chat with { Message = "other" },
            "response" => chat with { Response = "other" },
            _ => chat with { Timestamp = chat.Timestamp.AddSeconds(1) },
        };
        Assert.False(await ImportAsync([Chat("new"), changed]));
        Assert.Equal(["hello"], (await RowsAsync()).Select(row => row.Message));
    }

    [Fact]
    public async Task Import_OfAKeyThatIsAHolds_IsRefused()
    {
        var chat = new PendingChat(Guid.NewGuid(), _user, "hello") { Most = 100 };
        var paid = await new ChatStore(database.Source).AddAsync(chat.Answered("reply", 3900)).Soon();
        Assert.False(await ImportAsync([new(chat.Id, "hello", "reply", paid!.CreatedAt)]));
    }

    [Fact]
    public async Task Import_OfAUserWhoHasLeft_IsRefusedAndErasureLeavesNoRow()
    {
        Assert.True(await ImportAsync([Chat("hello"), Chat("")]));
        await using var ledger = await TestLedger.StartAsync();
        using var replica = new TestReplica(database.Source, ledger.Address);
        await using (var db = database.CreateContext())
        {
            var erasure = new Erasure(db, replica.Settlement, replica.Running);
            Assert.Equal(2, await erasure.EraseUserAsync(_user, CancellationToken).Soon());
        }

        Assert.Empty(await RowsAsync());
        Assert.False(await ImportAsync([Chat("late")]));
        Assert.Empty(await RowsAsync());
    }

    [Theory]
    [InlineData(0, null, null)]
    [InlineData(0, "reply", 3900L)]
    [InlineData(100, "reply", null)]
    public async Task Row_ThatIsImportedAndPaid_IsRefused(long cost, string? response, long? tokens)
    {
        await using var insert = database.Source.CreateCommand(
            "INSERT INTO chats (user_id, status, message, response, cost, tokens, hold_id) "
            + "VALUES (1, 4, 'x', $1, $2, $3, gen_random_uuid())");
        insert.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = response });
        insert.Parameters.Add(new NpgsqlParameter<long> { TypedValue = cost });
        insert.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = tokens });
        var refused = await Assert.ThrowsAsync<PostgresException>(
            () => insert.ExecuteNonQueryAsync(CancellationToken).Soon());
        Assert.Equal("ck_chats_imported", refused.ConstraintName);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(500, true)]
    [InlineData(501, false)]
    public void Batch_OfEachSize_FollowsTheLimit(int count, bool isTaken) => Assert.Equal(
        isTaken, IsValid(new ImportRequest([.. Enumerable.Range(0, count).Select(_ => Chat("x"))])));

    [Theory]
    [InlineData("a\0b", "reply", false)]
    [InlineData("hello", "a\0b", false)]
    [InlineData("", "", true)]
    public void Chat_WithATextPostgresCannotHold_IsRefused(string message, string response, bool isTaken)
    {
        Assert.Equal(isTaken, IsValid(Chat(message) with { Response = response }));
        Assert.False(IsValid(Chat("no key") with { Key = Guid.Empty }));
    }

    private static ImportedChat Chat(string message) => new(
        Guid.NewGuid(), message, "reply", new(2024, 1, 2, 3, 4, 5, 678, 901, TimeSpan.Zero));

    /// <summary>Whether the rules on a record's parameters hold, which the framework checks.</summary>
    private static bool IsValid(object body) => Array.TrueForAll(
        body.GetType().GetConstructors()[0].GetParameters(),
        parameter => parameter.GetCustomAttributes(typeof(ValidationAttribute), inherit: false)
            .Cast<ValidationAttribute>()
            .All(rule => rule.IsValid(body.GetType().GetProperty(parameter.Name!)!.GetValue(body))));

    private Task<bool> ImportAsync(IReadOnlyList<ImportedChat> chats) =>
        database.Source.ImportAsync(_user, chats, CancellationToken).Soon();

    private async Task<List<StoredChat>> RowsAsync()
    {
        await using var db = database.CreateContext();
        return await db.Chats.AsNoTracking().Where(chat => chat.UserId == _user).OrderBy(chat => chat.Id)
            .ToListAsync(CancellationToken).Soon();
    }
}
