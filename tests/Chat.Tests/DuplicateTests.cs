using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>
/// The same request sent twice, under one id. One that cannot tell how it ended touches nothing that is another's.
/// </summary>
public sealed class DuplicateTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 5;

    private readonly PendingChat _chat =
        PendingChat.New(User, "chat", $"{Guid.NewGuid()}", "hello") with { Most = 100 };
    private readonly TaskCompletionSource<string> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;
    private TestReplica _other = null!;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _replica = new TestReplica(database.Source, _ledger.Address);
        _other = new TestReplica(database.Source, _ledger.Address);
    }

    public ValueTask DisposeAsync()
    {
        _replica.Dispose();
        _other.Dispose();
        return _ledger.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Duplicate_WhoseAnswerIsLost_LeavesTheOriginalAlone(bool isOnTheSameReplica)
    {
        var original = await BeginAsync();
        _ledger.After["hold"] = TestLedger.LoseAnswer;
        var duplicate = await (isOnTheSameReplica ? _replica : _other)
            .AnswerAsync(_chat, ScriptedModel.Answers("mine"));
        Assert.Equal(ReplyStatus.LedgerUnavailable, duplicate.Status);
        await AssertAnsweredAsync(original);
    }

    [Fact]
    public async Task Duplicate_WhoseCallerLeaves_LeavesTheOriginalAlone()
    {
        var original = await BeginAsync();
        using var caller = new CancellationTokenSource();
        _ledger.After["hold"] = _ => caller.CancelAsync();
        var duplicate = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("mine"), caller);
        Assert.Equal(ReplyStatus.InProgress, duplicate.Status);
        await AssertAnsweredAsync(original);
    }

    /// <summary>The hold's answer is lost beside a second request with the same key.</summary>
    [Fact]
    public async Task Original_WhoseAnswerIsLost_IsReleasedAndTheDuplicatePays()
    {
        _ledger.After["hold"] = TestLedger.LoseAnswer;
        Assert.Equal(
            (ReplyStatus.LedgerUnavailable, true), Of(await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"))));
        _ledger.Recover();
        Assert.Equal(ReplyStatus.Stored, (await _other.AnswerAsync(_chat, ScriptedModel.Answers("hi"))).Status);
        Assert.Equal(3900, _ledger.Available);
    }

    /// <summary>Of neither is known how it ended, so both leave it to the sweep.</summary>
    [Fact]
    public async Task Duplicates_OfWhichNothingIsKnown_AreSettledByTheSweep()
    {
        (_ledger.After["hold"], _ledger.Before["release"]) = (TestLedger.LoseAnswer, TestLedger.Down);
        Assert.False((await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"))).IsSettled);
        Assert.False((await _other.AnswerAsync(_chat, ScriptedModel.Answers("hi"))).IsSettled);
        Assert.Equal(100, _ledger.Held);
        _ledger.Recover();
        await _other.BecomeSteadyAsync();
        _ledger.Age(TimeSpan.FromMinutes(1));
        await _other.SweepAsync();
        Assert.Equal((4000, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>A request that finds its id taken by a chat that ended in this moment answers with that.</summary>
    [Fact]
    public async Task Duplicate_OfAChatThatIsStoredMeanwhile_AnswersWithIt()
    {
        var original = await BeginAsync();
        _ledger.Before["hold"] = async _ =>
        {
            _ledger.Recover();
            _reply.SetResult("hi");
            await original;
            await _ledger.CapturedAsync(User, _chat.Id);
        };
        var duplicate = await _other.AnswerAsync(_chat, ScriptedModel.Fails());
        Assert.Equal((ReplyStatus.Stored, true), (duplicate.Status, duplicate.IsReplay));
        Assert.Equal("hi", duplicate.Chat!.Response);
    }

    private static (ReplyStatus, bool) Of(ChatResult result) => (result.Status, result.IsSettled);

    private async Task<Task<ChatResult>> BeginAsync()
    {
        var model = new ScriptedModel(_ => _reply.Task);
        var answer = _replica.AnswerAsync(_chat, model);
        await model.Asked.Soon();
        return answer;
    }

    private async Task AssertAnsweredAsync(Task<ChatResult> original)
    {
        _ledger.Recover();
        _reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await original).Status);
        Assert.Equal(3900, _ledger.Available);
    }
}
