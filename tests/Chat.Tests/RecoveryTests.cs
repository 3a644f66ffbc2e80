using Chat.Service;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>
/// What replicas that die or freeze leave behind: the others settle it by what is stored, and touch nothing of those
/// that live.
/// </summary>
public sealed class RecoveryTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 6;

    private static readonly TimeSpan Dead = TimeSpan.FromSeconds(31);

    private readonly PendingChat _chat = New();
    private readonly TaskCompletionSource<string> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TestLedger _ledger = null!;
    private TestReplica _dead = null!;
    private TestReplica _other = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _dead = new TestReplica(database.Source, _ledger.Address);
        _other = new TestReplica(database.Source, _ledger.Address);
    }

    public ValueTask DisposeAsync()
    {
        _dead.Dispose();
        _other.Dispose();
        return _ledger.DisposeAsync();
    }

    [Fact]
    public async Task Hold_OfADeadReplica_IsReleasedBehindATombstone()
    {
        await _dead.LeaveAsync(_chat);
        await SweepByOtherAsync();
        Assert.Equal((4000, 0), (_ledger.Balance, _ledger.Held));
        var row = await RowAsync();
        Assert.Equal(ChatStatus.Tombstone, row!.Status);
        Assert.True(row.IsOf(_chat));
    }

    [Fact]
    public async Task Holds_OfMoreThanAPage_AreAllReleased()
    {
        await _dead.LeaveAsync([.. Enumerable.Range(0, 10).Select(_ => New())]);
        await SweepByOtherAsync();
        Assert.Equal((4000, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>Killed between the store and the capture.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Hold_OfAStoredChat_IsCaptured(bool isErased)
    {
        _ledger.Before["capture"] = TestLedger.Down;
        Assert.Equal(ReplyStatus.Stored, (await _dead.AnswerAsync(_chat, ScriptedModel.Answers("hi"))).Status);
        if (isErased)
        {
            await using var db = database.CreateContext();
            await Erasure.EraseAsync(db.Chats.Where(chat => chat.HoldId == _chat.Id), CancellationToken).Soon();
        }

        _ledger.Recover();
        await SweepByOtherAsync();
        Assert.Equal((3900, 0), (_ledger.Balance, _ledger.Held));
        Assert.True(_ledger.IsCaptured(User, _chat.Id));
    }

    /// <summary>A replica that was frozen comes back: its reply is too late, and nobody pays for it.</summary>
    [Fact]
    public async Task Replica_TakenForDead_FindsItsHoldGoneAndStoresNothing()
    {
        var answer = await BeginAsync();
        await SweepByOtherAsync();
        _reply.SetResult("late");
        Assert.Equal((ReplyStatus.TooLate, true), ((await answer).Status, (await answer).IsSettled));
        Assert.Equal((4000, 0), (_ledger.Balance, _ledger.Held));
    }

    /// <summary>The next renewal tells it, so that its model need not go on.</summary>
    [Fact]
    public async Task Renewal_ThatFindsAHoldGone_EndsItsChat()
    {
        var answer = await BeginAsync();
        await SweepByOtherAsync();
        _dead.Clock.Move(TimeSpan.FromSeconds(11));
        await _dead.RenewAsync();
        Assert.Equal(ReplyStatus.TooLate, (await answer).Status);
    }

    [Fact]
    public async Task Hold_ThatIsRenewed_IsNotSwept()
    {
        var answer = await BeginAsync();
        await _other.BecomeSteadyAsync();
        _ledger.Age(Dead);
        _dead.Clock.Move(TimeSpan.FromSeconds(11));
        await _dead.RenewAsync();
        await _other.SweepAsync();
        Assert.True(_ledger.IsHeld(User, _chat.Id));
        _reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await answer).Status);
    }

    /// <summary>A chat has one deadline; what hangs after it is not kept alive for ever.</summary>
    [Fact]
    public async Task Hold_OfAChatBeyondItsDeadline_IsNotRenewed()
    {
        await BeginAsync();
        _dead.Clock.Move(TimeSpan.FromMinutes(11));
        _ledger.Age(Dead);
        await _dead.RenewAsync();
        await _other.BecomeSteadyAsync();
        await _other.SweepAsync();
        Assert.False(_ledger.IsHeld(User, _chat.Id));
    }

    [Fact]
    public async Task Sweep_OfTheReplicaThatRunsTheChat_LeavesItAlone()
    {
        var answer = await BeginAsync();
        await _dead.BecomeSteadyAsync();
        _ledger.Age(Dead);
        await _dead.SweepAsync();
        _reply.SetResult("hi");
        Assert.Equal(ReplyStatus.Stored, (await answer).Status);
    }

    /// <summary>After an outage all holds are old. Those that live get the time to renew theirs.</summary>
    [Theory]
    [InlineData("just started")]
    [InlineData("cut off")]
    [InlineData("frozen")]
    public async Task Sweep_OfAReplicaThatWasNotSteady_SettlesNothing(string why)
    {
        await BeginAsync();
        _ledger.Age(Dead);
        if (why is not "just started")
        {
            await _other.BecomeSteadyAsync();
            _ledger.Age(Dead);
            _other.Clock.Move(TimeSpan.FromSeconds(70));
        }

        if (why is "cut off")
        {
            _ledger.Before["renewal"] = TestLedger.Down;
            await Assert.ThrowsAsync<HttpRequestException>(_other.RenewAsync);
            _ledger.Recover();
        }

        await _other.RenewAsync();
        await _other.SweepAsync();
        Assert.True(_ledger.IsHeld(User, _chat.Id));
    }

    /// <summary>A replica that is frozen in the middle of a sweep: others may not have had time to renew.</summary>
    [Fact]
    public async Task Sweep_InWhichAGapBegins_SettlesNoMore()
    {
        await _dead.LeaveAsync([.. Enumerable.Range(0, 2 * TestLedger.MaxPage).Select(_ => New())]);
        var pages = 0;
        _ledger.Before["list"] = _ =>
        {
            _other.Clock.Move(++pages == 2 ? Dead : TimeSpan.Zero);
            return Task.CompletedTask;
        };
        await SweepByOtherAsync();
        Assert.Equal(2, pages);
        Assert.InRange(_ledger.Held, 100 * TestLedger.MaxPage, long.MaxValue);
        _ledger.Recover();
        await SweepByOtherAsync();
        Assert.Equal(0, _ledger.Held);
    }

    /// <summary>A chat under way is renewed in time, however long the others' take to settle.</summary>
    [Fact]
    public async Task Sweep_ThatTakesLong_HoldsUpNoRenewal()
    {
        await BeginAsync();
        using var other = new TestReplica(
            database.Source, _ledger.Address, new ChatSettings { DeadAfter = TimeSpan.FromSeconds(1) });
        await other.BecomeSteadyAsync();
        _ledger.Age(Dead);
        var tries = 0; // Four of them take 9 s, and then the sweep gives up.
        var sweeps = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ledger.Before["release"] = context =>
        {
            tries++;
            sweeps.TrySetResult();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        await other.Keeper.StartAsync(CancellationToken).Soon();
        await sweeps.Task.Soon();
        var renewed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ledger.Before["renewal"] = _ => Task.FromResult(renewed.TrySetResult());
        await renewed.Task.Soon();
        Assert.InRange(tries, 1, 3);
        await other.Keeper.StopAsync(CancellationToken).Soon();
    }

    /// <summary>A copy of the hold's call arrives when all is over.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Hold_ThatArrivesOnceMore_ReopensNothingForLong(bool wasAnswered)
    {
        await _dead.AnswerAsync(_chat, wasAnswered ? ScriptedModel.Answers("hi") : ScriptedModel.Fails());
        await _ledger.SettledAsync();
        await _dead.Ledger.HoldAsync(_dead.Latest!, CancellationToken).Soon();
        await SweepByOtherAsync();
        Assert.Equal(wasAnswered ? 3900 : 4000, _ledger.Balance);
        Assert.Equal(0, _ledger.Held);
    }

    [Fact]
    public async Task Sweeps_OfManyReplicasAtOnce_SettleEachHoldOnce()
    {
        _ledger.Before["capture"] = TestLedger.Down;
        await _dead.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        await _dead.LeaveAsync(New(), New());
        _ledger.Recover();
        _ledger.Age(Dead);
        TestReplica[] others =
        [
            .. Enumerable.Range(0, 4).Select(_ => new TestReplica(database.Source, _ledger.Address)),
        ];
        await Task.WhenAll(others.Select(async other =>
        {
            await other.BecomeSteadyAsync();
            await other.SweepAsync();
        })).Soon();
        Assert.Equal((3900, 0), (_ledger.Balance, _ledger.Held));
        Array.ForEach(others, other => other.Dispose());
    }

    private static PendingChat New() => PendingChat.New(User, "chat", $"{Guid.NewGuid()}", "hello") with { Most = 100 };

    private async Task<Task<ChatResult>> BeginAsync()
    {
        var model = new ScriptedModel(_ => _reply.Task);
        var answer = _dead.AnswerAsync(_chat, model);
        await model.Asked.Soon();
        return answer;
    }

    private async Task SweepByOtherAsync()
    {
        await _other.BecomeSteadyAsync();
        _ledger.Age(Dead);
        await _other.SweepAsync();
    }

    private async Task<StoredChat?> RowAsync() =>
        (await _other.Store.FindAsync(User, [_chat.Id], CancellationToken).Soon()).GetValueOrDefault(_chat.Id);
}
