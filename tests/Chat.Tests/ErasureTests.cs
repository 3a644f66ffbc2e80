using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>Of what was deleted no word stays and none comes back, and what was paid keeps its row.</summary>
public sealed class ErasureTests(ChatDatabase database) : IAsyncLifetime
{
    private readonly long _user = Random.Shared.NextInt64(1_000_000, long.MaxValue);
    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _replica = new TestReplica(database.Source, _ledger.Address);
    }

    public ValueTask DisposeAsync()
    {
        _replica.Dispose();
        return _ledger.DisposeAsync();
    }

    [Fact]
    public async Task Erase_TakesTheWordsOfOneUser_AndLeavesWhatBecameOfEachHold()
    {
        var (paid, failed, other) = (Chat(_user), Chat(_user), Chat(_user + 1));
        await StoreAsync(paid);
        await _replica.Store.AddTombstoneAsync(failed.ToHold(), CancellationToken).Soon();
        await StoreAsync(other);

        Assert.Equal(2, await EraseAsync());
        await AssertAsync(paid, ChatStatus.Erased, "", response: null, hash: null);
        await AssertAsync(failed, ChatStatus.Tombstone, "", response: null, hash: null);
        await AssertAsync(other, ChatStatus.Completed, "hello", "hi", other.Hash);
        Assert.Equal(0, await EraseAsync());
    }

    [Fact]
    public async Task Erase_OfMoreThanAPage_LeavesNone()
    {
        await Task.WhenAll(Enumerable.Range(0, 1203).Select(_ => StoreAsync(Chat(_user)))).Soon();
        Assert.Equal(1203, await EraseAsync());
    }

    [Fact]
    public async Task Hold_OfAnErasedChat_CannotBeBuriedOrAnsweredAgain()
    {
        var chat = Chat(_user);
        await StoreAsync(chat);
        await EraseAsync();
        var row = await _replica.Store.AddTombstoneAsync(chat.ToHold(), CancellationToken).Soon();
        Assert.Equal((ChatStatus.Erased, 100), (row.Status, row.Cost));
        Assert.Null(await _replica.Store.AddAsync(chat.Answered("hi", 3900)).Soon());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chat_DeletedWhileItsAnswerIsMade_StaysGoneAndCostsNothing(bool isOfAConversation)
    {
        var conversation = Guid.NewGuid();
        var (deleted, kept) = (Chat(_user) with { Conversation = conversation }, Chat(_user));
        var (first, second) = (NewReply(), NewReply());
        var (deletedModel, keptModel) = (new ScriptedModel(_ => first.Task), new ScriptedModel(_ => second.Task));
        var answer = _replica.AnswerAsync(deleted, deletedModel);
        var keptAnswer = _replica.AnswerAsync(kept, keptModel);
        await Task.WhenAll(deletedModel.Asked, keptModel.Asked).Soon();
        await EraseAsync(isOfAConversation ? conversation : null);
        first.SetResult("late");
        second.SetResult("hi");

        Assert.Equal((ReplyStatus.TooLate, true), ((await answer).Status, (await answer).IsSettled));
        Assert.Equal(isOfAConversation ? ReplyStatus.Stored : ReplyStatus.TooLate, (await keptAnswer).Status);
        Assert.Equal(isOfAConversation ? 3900 : 4000, _ledger.Available);
        await AssertAsync(deleted, ChatStatus.Tombstone, "", response: null, isOfAConversation ? deleted.Hash : null);
    }

    /// <summary>Or its user would read on without paying.</summary>
    [Fact]
    public async Task Chat_DeletedWhileItsAnswerIsMade_LeavesItsModelAtOnce()
    {
        var model = ScriptedModel.NeverEnds("word ");
        var answer = _replica.AnswerAsync(Chat(_user), model);
        await model.Asked.Soon();
        await EraseAsync();
        await model.Left.Soon();
        Assert.Equal(ReplyStatus.TooLate, (await answer).Status);
    }

    /// <summary>It is stored and not captured yet: its words go, and it is paid for.</summary>
    [Fact]
    public async Task Chat_DeletedBeforeItsCapture_IsPaidFor()
    {
        _ledger.Before["capture"] = TestLedger.Down;
        var chat = Chat(_user);
        Assert.Equal(ReplyStatus.Stored, (await _replica.AnswerAsync(chat, ScriptedModel.Answers("hi"))).Status);
        _ledger.Recover();
        await EraseAsync();
        await AssertAsync(chat, ChatStatus.Erased, "", response: null, hash: null);
        Assert.True(_ledger.IsCaptured(_user, chat.Id));
        Assert.Equal(0, _ledger.Held);
    }

    [Fact]
    public async Task Erase_WithoutALedger_ErasesNothing()
    {
        var chat = Chat(_user);
        await StoreAsync(chat);
        _ledger.Before["list"] = TestLedger.Down;
        await Assert.ThrowsAsync<HttpRequestException>(() => EraseAsync());
        await AssertAsync(chat, ChatStatus.Completed, "hello", "hi", chat.Hash);
    }

    private static TaskCompletionSource<string> NewReply() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static PendingChat Chat(long user) => new(Guid.NewGuid(), user, "hello") { Most = 100 };

    private async Task StoreAsync(PendingChat chat) =>
        Assert.NotNull(await _replica.Store.AddAsync(chat.Answered("hi", 3900)).Soon());

    private async Task<int> EraseAsync(Guid? conversation = null)
    {
        await using var db = database.CreateContext();
        return await new Erasure(db, _replica.Settlement, _replica.Running)
            .EraseAsync(_user, conversation, CancellationToken).Soon();
    }

    private async Task AssertAsync(
        PendingChat chat, ChatStatus status, string message, string? response, byte[]? hash)
    {
        var row = (await _replica.Store.FindAsync(chat.UserId, [chat.Id], CancellationToken).Soon())[chat.Id];
        Assert.Equal((status, message, response), (row.Status, row.Message, row.Response));
        Assert.Equal(hash, row.RequestHash);
    }
}
