using Chat.Service;
using Chat.Service.Charges;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>What a crash has left charged is given back, and nothing else is.</summary>
public sealed class ReconcilerTests(ChatDatabase databases) : IAsyncLifetime
{
    /// <summary>How long ago a charge was made that is neither too new to be looked at nor too old.</summary>
    private static readonly TimeSpan AWhile = TimeSpan.FromSeconds(20);

    private ReconcilerFixture _system = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _system = await ReconcilerFixture.StartAsync(databases);

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    [Fact]
    public async Task Bury_OfADeadReplica_GivesBackWhatItHadNoted()
    {
        var charges = NewCharges(5);
        await _system.KillAsync(charges);
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(charges);
        Assert.Equal(1_000_000, _system.Ledger.Balance);
    }

    [Fact]
    public async Task Bury_OfChargesMadeAfterTheLastNote_FindsThemThroughTheLedger()
    {
        var charges = NewCharges(8); // More than a page of the ledger's.
        var dead = _system.NewReplica();
        await dead.NoteAsync();
        _system.Ledger.Age = AWhile;
        await dead.LeaveAsync(charges);
        await _system.AgeAsync(ReconcilerFixture.Dead);

        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(charges);
    }

    [Fact]
    public async Task Bury_WhileOthersLive_LeavesTheirsAlone()
    {
        _system.Ledger.Age = AWhile;
        var (theirs, orphan) = (NewCharges(5), NewCharges(1));
        await _system.KillAsync(orphan);
        var live = _system.NewReplica();
        await live.LeaveAsync(theirs);
        await live.NoteAsync();

        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(orphan);
        await _system.AssertUntouchedAsync(theirs);
        await _system.ExecuteAsync(
            "UPDATE replica_notes SET seen_at = seen_at - $1 WHERE seen_at < now() - interval '20 s'",
            TimeSpan.FromSeconds(25));
        Assert.True(await _system.NewReplica().BuryAsync()); // For the second time.
        await _system.AssertUntouchedAsync(theirs);
    }

    [Fact]
    public async Task Bury_OfChargesTooNewToBeNotedByTheirReplica_LeavesThemAlone()
    {
        await _system.KillAsync();
        var live = _system.NewReplica();
        await live.NoteAsync();
        var charges = NewCharges(3);
        await live.LeaveAsync(charges);
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUntouchedAsync(charges);
    }

    [Fact]
    public async Task Bury_WithoutADeadReplica_DoesNothing()
    {
        var live = _system.NewReplica();
        await live.LeaveAsync(NewCharges(1));
        await live.NoteAsync();
        Assert.False(await _system.NewReplica().BuryAsync());
        Assert.Equal(["charge"], _system.Ledger.Asked);
    }

    [Fact]
    public async Task Bury_OfATombstoneWithoutARefund_FinishesIt()
    {
        var charges = NewCharges(1);
        await _system.KillAsync(charges);
        Assert.True(await _system.Store.AddTombstoneAsync(charges[0], CancellationToken).Soon());
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(charges);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bury_OfStoredChats_LeavesThemPaid(bool isErased)
    {
        _system.Ledger.Age = AWhile;
        var charges = NewCharges(2);
        await _system.KillAsync(charges);
        foreach (var charge in charges)
        {
            Assert.NotNull(await _system.Store.AddAsync(charge, "hi", 1, CancellationToken).Soon());
        }

        if (isErased)
        {
            await _system.ExecuteAsync("UPDATE chats SET status = 3, message = '', response = NULL, tokens = NULL");
        }

        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUntouchedAsync(charges);
        Assert.DoesNotContain("refund", _system.Ledger.Asked);
    }

    [Fact]
    public async Task Bury_ByManyAtOnce_IsDoneOnce()
    {
        var charges = NewCharges(10);
        await _system.KillAsync(charges);
        var buried = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => _system.NewReplica()).ToList().Select(replica => replica.BuryAsync()));
        Assert.Single(buried, done => done);
        await _system.AssertUndoneAsync(charges);
        Assert.Equal(charges.Length, _system.Ledger.Asked.Count(asked => asked == "refund"));
    }

    [Fact]
    public async Task Bury_WhileTheLedgerIsAway_IsDoneLater()
    {
        var charges = NewCharges(2);
        await _system.KillAsync(charges);
        _system.Ledger.BeforeRefund = TestLedger.Down;
        await Assert.ThrowsAsync<InvalidOperationException>(() => _system.NewReplica().BuryAsync());

        _system.Ledger.BeforeRefund = _ => Task.CompletedTask;
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(charges);
    }

    [Fact]
    public async Task BuryAll_WithOneThatCannotBeBuried_BuriesTheOthers()
    {
        var clock = new ManualClock();
        var (stuck, others) = (NewCharges(1), NewCharges(2));
        await _system.KillAsync(stuck); // The first to be looked after.
        await _system.KillAsync(others[0]);
        await _system.KillAsync(others[1]);
        _system.Ledger.BeforeRefund = context =>
            context.Request.Path.Value!.Contains($"{stuck[0].Id}", StringComparison.Ordinal)
                ? TestLedger.Fail(context)
                : Task.CompletedTask;
        await (await SteadyReplicaAsync(clock)).BuryAllAsync();
        await _system.AssertUndoneAsync(others);
    }

    /// <summary>A charge that is late in the ledger, as when its statement had to wait.</summary>
    [Fact]
    public async Task Bury_ForTheSecondTime_FindsWhatHasComeSince()
    {
        await _system.KillAsync();
        Assert.True(await _system.NewReplica().BuryAsync());
        Assert.False(await _system.NewReplica().BuryAsync());
        var late = NewCharges(1);
        _system.Ledger.Age = AWhile;
        await _system.NewReplica().LeaveAsync(late);

        await _system.AgeAsync(TimeSpan.FromSeconds(25));
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(late);
        Assert.Equal(0, await _system.NotesAsync());
    }

    /// <summary>The request may have been sent twice, and the one that lives may have been charged.</summary>
    [Fact]
    public async Task Bury_OfWhatALiveReplicaAsksFor_WaitsUntilThatIsDecided()
    {
        var charges = NewCharges(1);
        await _system.KillAsync(charges);
        var (asked, answer) = (NewSignal(), NewSignal());
        _system.Ledger.BeforeCharge = _ =>
        {
            asked.TrySetResult();
            return answer.Task;
        };
        var live = _system.NewReplica();
        var again = live.AnswerAsync(charges[0], ScriptedModel.Fails());
        await asked.Task.Soon();
        await live.NoteAsync();

        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUntouchedAsync(charges);
        await _system.ExecuteAsync(
            "UPDATE replica_notes SET seen_at = seen_at - $1 WHERE seen_at < now() - interval '20 s'",
            TimeSpan.FromSeconds(20));
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(charges);
        answer.SetResult();
        Assert.Equal(ReplyStatus.Refunded, (await again).Status);
    }

    [Fact]
    public async Task BuryAll_AfterATimeWithoutNotes_LetsTheOthersWriteFirst()
    {
        var clock = new ManualClock();
        var charges = NewCharges(1);
        await _system.KillAsync(charges);
        var replica = _system.NewReplica(clock: clock);
        await replica.NoteAsync();
        await replica.BuryAllAsync();
        await _system.AssertUntouchedAsync(charges);

        clock.Move(new ChatSettings().Lease);
        await replica.BuryAllAsync();
        await _system.AssertUndoneAsync(charges);
    }

    [Fact]
    public async Task Completion_OnAReplicaTakenForDead_IsRefused()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var (replica, charge) = (_system.NewReplica(), ReconcilerFixture.NewCharge());
        var answer = replica.AnswerAsync(charge, model);
        await model.Asked.Soon();
        await replica.NoteAsync();
        await _system.AgeAsync(ReconcilerFixture.Dead);
        Assert.True(await _system.NewReplica().BuryAsync());

        reply.SetResult("too late");
        Assert.Equal(ReplyStatus.TooLate, (await answer).Status);
        await _system.AssertUndoneAsync(charge);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static ChatCharge[] NewCharges(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => ReconcilerFixture.NewCharge())];

    private async Task<TestReplica> SteadyReplicaAsync(ManualClock clock)
    {
        var replica = _system.NewReplica(clock: clock);
        await replica.NoteAsync();
        clock.Move(new ChatSettings().Lease);
        return replica;
    }
}
