using Chat.Service;
using Chat.Service.Charges;
using Chat.Service.Chats;

namespace Chat.Tests;

/// <summary>What a replica has to bring to an end, and when it takes on no more.</summary>
public sealed class InFlightTests(ChatDatabase databases) : IAsyncLifetime
{
    private readonly ChatCharge _charge = ReconcilerFixture.NewCharge();
    private ReconcilerFixture _system = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _system = await ReconcilerFixture.StartAsync(databases);

    public ValueTask DisposeAsync() => _system.DisposeAsync();

    [Fact]
    public async Task Answer_OnAReplicaWhoseNoteIsOld_IsRefusedAndChargesNothing()
    {
        var clock = new ManualClock();
        var replica = _system.NewReplica(clock: clock);
        clock.Move(new ChatSettings().Lease);
        var result = await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.NotReady, true), (result.Status, result.IsSettled));
        Assert.Empty(_system.Ledger.Asked);

        await replica.NoteAsync();
        Assert.Equal(ReplyStatus.Stored, (await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"))).Status);
    }

    [Fact]
    public async Task Answer_OnAReplicaWithTooMuchToUndo_IsRefusedAndChargesNothing()
    {
        var replica = _system.NewReplica();
        for (var n = 0; n < 10_000; n++)
        {
            Assert.True(replica.InFlight.IsOpen, $"It is closed after {n}.");
            replica.InFlight.Remember(ReconcilerFixture.NewCharge());
        }

        var result = await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"));
        Assert.Equal(ReplyStatus.NotReady, result.Status);
        Assert.Empty(_system.Ledger.Asked);
    }

    [Fact]
    public async Task Charge_ThatCouldNotBeUndone_IsNotedAndTriedAgain()
    {
        var replica = _system.NewReplica();
        _system.Ledger.BeforeRefund = TestLedger.Down;
        Assert.False((await replica.AnswerAsync(_charge, ScriptedModel.Fails())).IsSettled);
        await replica.SettleAsync();
        Assert.Equal([_charge.Id], replica.InFlight.Charges.Select(noted => noted.Charge.Id));

        _system.Ledger.BeforeRefund = _ => Task.CompletedTask;
        await replica.SettleAsync();
        await _system.AssertUndoneAsync(_charge);
        Assert.Empty(replica.InFlight.Charges);
    }

    [Fact]
    public async Task Settle_WithSomeThatCannotBeUndone_UndoesTheOthers()
    {
        var replica = _system.NewReplica();
        var charges = Enumerable.Range(0, 20).Select(_ => ReconcilerFixture.NewCharge()).ToList();
        _system.Ledger.BeforeRefund = TestLedger.Down;
        await Task.WhenAll(charges.Select(charge => replica.AnswerAsync(charge, ScriptedModel.Fails())));
        var stuck = charges.Take(5).Select(charge => charge.Id).ToHashSet();
        _system.Ledger.BeforeRefund = context =>
            stuck.Any(id => context.Request.Path.Value!.Contains($"{id}", StringComparison.Ordinal))
                ? TestLedger.Fail(context)
                : Task.CompletedTask;
        await replica.SettleAsync();
        await _system.AssertUndoneAsync([.. charges.Skip(5)]);
        Assert.Equal(stuck, replica.InFlight.Unsettled.Select(charge => charge.Id).ToHashSet());
    }

    [Fact]
    public async Task Note_OfAReplicaThatStopsWithNothingInFlight_IsRemoved()
    {
        var replica = _system.NewReplica();
        await replica.Reconciler.StartAsync(CancellationToken).Soon();
        Assert.Equal(1, await _system.NotesAsync());
        await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"));
        await replica.Reconciler.StopAsync(CancellationToken).Soon();
        Assert.Equal(0, await _system.NotesAsync());
    }

    [Fact]
    public async Task Note_OfAReplicaThatStopsWithSomethingToUndo_LeadsOthersToIt()
    {
        var replica = _system.NewReplica();
        await replica.Reconciler.StartAsync(CancellationToken).Soon();
        _system.Ledger.BeforeRefund = TestLedger.Down;
        await replica.AnswerAsync(_charge, ScriptedModel.Fails());
        await replica.Reconciler.StopAsync(CancellationToken).Soon();

        _system.Ledger.BeforeRefund = _ => Task.CompletedTask;
        await _system.AgeAsync(ReconcilerFixture.Dead);
        Assert.True(await _system.NewReplica().BuryAsync());
        await _system.AssertUndoneAsync(_charge);
    }

    [Fact]
    public async Task Places_BeyondTheLimitOfAUser_AreRefusedAndChargeNothing()
    {
        var replica = _system.NewReplica(new ChatSettings { MaxConcurrentChats = 2 });
        await replica.LeaveAsync(ReconcilerFixture.NewCharge(), ReconcilerFixture.NewCharge());
        var result = await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.TooManyChats, true), (result.Status, result.IsSettled));
        Assert.False(_system.Ledger.IsCharged(_charge.Id));
        var other = ReconcilerFixture.NewCharge() with { UserId = 6 };
        Assert.Equal(ReplyStatus.Stored, (await replica.AnswerAsync(other, ScriptedModel.Answers("hi"))).Status);
    }

    /// <summary>All of them find room before any is charged.</summary>
    [Fact]
    public async Task Places_TakenAtOnceBeyondTheLimit_AreGivenBackAndFreeAgainAfterwards()
    {
        const int Limit = 2, Count = 10;
        var replica = _system.NewReplica(new ChatSettings { MaxConcurrentChats = Limit });
        var (asked, all) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        _system.Ledger.BeforeCharge = _ =>
        {
            if (Interlocked.Increment(ref asked) == Count)
            {
                all.SetResult();
            }

            return all.Task;
        };
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var answers = Enumerable.Range(0, Count)
            .Select(_ => replica.AnswerAsync(ReconcilerFixture.NewCharge(), new ScriptedModel(_ => reply.Task)))
            .ToList();
        for (var refused = 0; refused < Count - Limit; refused++)
        {
            var answer = await Task.WhenAny(answers).Soon();
            answers.Remove(answer);
            Assert.Equal((ReplyStatus.TooManyChats, true), ((await answer).Status, (await answer).IsSettled));
        }

        reply.SetResult("hi");
        Assert.All(await Task.WhenAll(answers), answer => Assert.Equal(ReplyStatus.Stored, answer.Status));
        Assert.Equal(1_000_000 - (Limit * 100), _system.Ledger.Balance);
        Assert.Equal(ReplyStatus.Stored, (await replica.AnswerAsync(_charge, ScriptedModel.Answers("hi"))).Status);
        Assert.Empty(replica.InFlight.Charges);
    }
}
