using Chat.Service.Charges;
using Chat.Service.Chats;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Chat.Tests;

/// <summary>Of users who have left no word stays, and every charge keeps its row.</summary>
public sealed class ErasureTests(ChatDatabase database)
{
    private readonly ChatStore _store = new(database.Source);
    private readonly long _user = Random.Shared.NextInt64(1_000_000, long.MaxValue);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Erase_TakesTheWordsOfOneUser_AndLeavesWhatBecameOfEachCharge()
    {
        var (paid, refunded, other) = (Charge(_user), Charge(_user), Charge(_user + 1));
        Assert.NotNull(await _store.AddAsync(paid, "hi", 3900, CancellationToken).Soon());
        Assert.True(await _store.AddTombstoneAsync(refunded, CancellationToken).Soon());
        await AssertAsync(refunded, ChatStatus.Refunded, "", response: null, refunded.Fingerprint);
        Assert.NotNull(await _store.AddAsync(other, "hi", 3900, CancellationToken).Soon());

        Assert.Equal(2, await EraseAsync());
        await AssertAsync(paid, ChatStatus.Erased, "", response: null);
        await AssertAsync(refunded, ChatStatus.Refunded, "", response: null);
        await AssertAsync(other, ChatStatus.Completed, "hello", "hi", other.Fingerprint);
        Assert.Equal(0, await EraseAsync());
    }

    [Fact]
    public async Task Chat_StoredAfterItsUserHasLeft_IsErasedByTheNextRound()
    {
        var (late, other) = (Charge(_user), Charge(_user + 1));
        Assert.Equal(0, await EraseAsync());
        Assert.NotNull(await _store.AddAsync(late, "hi", 3900, CancellationToken).Soon());
        Assert.NotNull(await _store.AddAsync(other, "hi", 3900, CancellationToken).Soon());

        await using var services = new ServiceCollection().BuildServiceProvider();
        using var rounds = new EraseLateChats(services, TimeProvider.System, NullLogger<EraseLateChats>.Instance);
        await using var db = database.CreateContext();
        Assert.InRange(await rounds.EraseAsync(db, CancellationToken).Soon(), 1, int.MaxValue);
        await AssertAsync(late, ChatStatus.Erased, "", response: null);
        await AssertAsync(other, ChatStatus.Completed, "hello", "hi", other.Fingerprint);
    }

    [Fact]
    public async Task Charge_OfAnErasedChat_CannotBeRefundedOrAnsweredAgain()
    {
        var charge = Charge(_user);
        Assert.NotNull(await _store.AddAsync(charge, "hi", 3900, CancellationToken).Soon());
        await EraseAsync();
        Assert.False(await _store.AddTombstoneAsync(charge, CancellationToken).Soon());
        Assert.Null(await _store.AddAsync(charge, "hi", 3900, CancellationToken).Soon());
    }

    private static ChatCharge Charge(long user) => new(Guid.NewGuid(), user, "hello", Cost: 100);

    private async Task<int> EraseAsync()
    {
        await using var db = database.CreateContext();
        return await db.EraseAsync(_user, CancellationToken).Soon();
    }

    private async Task AssertAsync(
        ChatCharge charge, ChatStatus status, string message, string? response, string? fingerprint = null)
    {
        var chat = await _store.FindAsync(charge.Id, CancellationToken).Soon();
        Assert.Equal(
            (status, message, response, fingerprint), (chat!.Status, chat.Message, chat.Response, chat.Fingerprint));
    }
}
