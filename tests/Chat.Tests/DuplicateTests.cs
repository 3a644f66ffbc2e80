using Chat.Service.Charges;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>
/// The same request sent twice, under one name. One that cannot tell how it ended touches nothing that is another's.
/// </summary>
public sealed class DuplicateTests(ChatDatabase databases) : IAsyncLifetime
{
    private readonly ChatCharge _charge = ReconcilerFixture.NewCharge();
    private readonly TaskCompletionSource<string> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ReconcilerFixture _system = null!;
    private TestReplica _replica = null!;

    public async ValueTask InitializeAsync()
    {
        _system = await ReconcilerFixture.StartAsync(databases);
        _replica = _system.NewReplica();
    }

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Duplicate_WhoseAnswerIsLost_LeavesTheOriginalAlone(bool isOnTheSameReplica)
    {
        var original = await BeginAsync();
        _system.Ledger.AfterCharge = TestLedger.LoseAnswer;
        var other = isOnTheSameReplica ? _replica : _system.NewReplica();
        var duplicate = await other.AnswerAsync(_charge, ScriptedModel.Answers("mine"));
        Assert.Equal(ReplyStatus.InProgress, duplicate.Status);
        Assert.Empty(other.InFlight.Unsettled);
        await AssertAnsweredAsync(original);
    }

    [Fact]
    public async Task Duplicate_WhoseCallerLeaves_LeavesTheOriginalAlone()
    {
        var original = await BeginAsync();
        using var caller = new CancellationTokenSource();
        _system.Ledger.AfterCharge = async context =>
        {
            await caller.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        var duplicate = await _replica.AnswerAsync(_charge, ScriptedModel.Answers("mine"), caller);
        Assert.Equal(ReplyStatus.InProgress, duplicate.Status);
        await AssertAnsweredAsync(original);
    }

    /// <summary>The ledger is away when the duplicate wants to know whose the charge is.</summary>
    [Fact]
    public async Task Duplicate_OfWhichNothingIsKnown_IsSettledLaterAndLeavesTheOriginalAlone()
    {
        var original = await BeginAsync();
        _system.Ledger.AfterCharge = TestLedger.LoseAnswer;
        _system.Ledger.BeforeVoid = TestLedger.LoseAnswer;
        var other = _system.NewReplica();
        var duplicate = await other.AnswerAsync(_charge, ScriptedModel.Answers("mine"));
        Assert.Equal((ReplyStatus.LedgerUnavailable, false), (duplicate.Status, duplicate.IsSettled));
        Assert.False(Assert.Single(other.InFlight.Charges).IsOurs);
        await other.SettleAsync();
        Assert.Single(other.InFlight.Unsettled);

        _system.Ledger.BeforeVoid = _ => Task.CompletedTask;
        await other.SettleAsync();
        Assert.Empty(other.InFlight.Unsettled);
        await AssertAnsweredAsync(original);
    }

    /// <summary>The first has charged, and neither of the two knows.</summary>
    [Fact]
    public async Task Duplicates_OfWhichNothingIsKnown_AreBothSettled()
    {
        _system.Ledger.AfterCharge = TestLedger.LoseAnswer;
        _system.Ledger.BeforeVoid = TestLedger.LoseAnswer;
        for (var n = 0; n < 2; n++)
        {
            Assert.False((await _replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"))).IsSettled);
        }

        Assert.True(_system.Ledger.IsCharged(_charge.Id));
        _system.Ledger.BeforeVoid = _ => Task.CompletedTask;
        await _replica.SettleAsync();
        await _system.AssertUndoneAsync(_charge);
        Assert.Empty(_replica.InFlight.Unsettled);
    }

    /// <summary>
    /// A request undoes a charge that is not there yet, and the duplicate's arrives between its question and its
    /// tombstone: the duplicate finds that, and gives its own charge back.
    /// </summary>
    [Fact]
    public async Task Duplicate_ThatFindsATombstone_GivesItsChargeBackItself()
    {
        var duplicate = await BeginAsync();
        Assert.True(await _system.Store.AddTombstoneAsync(_charge, TestContext.Current.CancellationToken).Soon());
        _reply.SetResult("too late");
        Assert.Equal((ReplyStatus.TooLate, true), ((await duplicate).Status, (await duplicate).IsSettled));
        await _system.AssertUndoneAsync(_charge);
    }

    /// <summary>The first one's charge is still under way when it gives up: nobody makes it after that.</summary>
    [Fact]
    public async Task Charge_ThatIsUndoneBeforeItIsWritten_IsNotMadeByTheDuplicateEither()
    {
        _system.Ledger.BeforeCharge = TestLedger.Down;
        Assert.Equal(
            ReplyStatus.LedgerUnavailable, (await _replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"))).Status);
        _system.Ledger.BeforeCharge = _ => Task.CompletedTask;
        var duplicate = await _system.NewReplica().AnswerAsync(_charge, ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.Refunded, duplicate.Status);
        await _system.AssertUndoneAsync(_charge);
    }

    private async Task<Task<PaidReplyResult>> BeginAsync()
    {
        var model = new ScriptedModel(_ => _reply.Task);
        var answer = _replica.AnswerAsync(_charge, model);
        await model.Asked.Soon();
        return answer;
    }

    private async Task AssertAnsweredAsync(Task<PaidReplyResult> original)
    {
        _reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await original).Status);
        Assert.True(_system.Ledger.IsCharged(_charge.Id));
        Assert.Equal(ChatStatus.Completed, await _system.StatusAsync(_charge));
    }
}
