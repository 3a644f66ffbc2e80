using Chat.Service.Chats;
using Npgsql;

namespace Chat.Tests;

/// <summary>
/// A chat is committed, and Postgres' answer is lost on the way: what counts is the row, so the chat is kept and paid
/// for, whoever looks at it next.
/// </summary>
public sealed class LostAnswerTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 10;
    private const long Cost = 100;

    private static readonly TimeSpan Dead = TimeSpan.FromSeconds(31);

    private readonly PendingChat _chat = new(Guid.NewGuid(), User, "hello") { Most = Cost };
    private TestLedger _ledger = null!;
    private TestProxy _way = null!;
    private NpgsqlDataSource _source = null!;
    private TestReplica _replica = null!;
    private TestReplica _other = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _way = TestProxy.To(database.Port);
        _source = database.SourceThrough(_way);
        _replica = new TestReplica(_source, _ledger.Address);
        _other = new TestReplica(database.Source, _ledger.Address);
    }

    public async ValueTask DisposeAsync()
    {
        _replica.Dispose();
        _other.Dispose();
        await _source.DisposeAsync();
        await _way.DisposeAsync();
        await _ledger.DisposeAsync();
    }

    /// <summary>The replica itself finds the row, and answers with it.</summary>
    [Fact]
    public async Task Store_WhoseAnswerIsLost_IsKeptAndCaptured()
    {
        _way.LoseAnswerTo("INSERT INTO chats", thenIsAway: false);
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.Stored, "hi"), (result.Status, result.Chat!.Response));
        await AssertKeptAsync();
        Assert.Equal(["hold", "capture"], _ledger.Asked);
    }

    /// <summary>Postgres stays away from the replica, so that the sweep of another one finds the row.</summary>
    [Fact]
    public async Task Store_WhoseAnswerIsLostInAnOutage_IsCapturedByTheSweep()
    {
        _way.LoseAnswerTo("INSERT INTO chats", thenIsAway: true);
        var result = await _replica.AnswerAsync(_chat, ScriptedModel.Answers("hi"));
        Assert.Equal((ReplyStatus.StoreUnavailable, false), (result.Status, result.IsSettled));
        Assert.True(_ledger.IsHeld(User, _chat.Id));
        await SweepByOtherAsync();
        await AssertKeptAsync();
    }

    /// <summary>The statement reaches Postgres late: the sweep's tombstone is there, and the chat stays out.</summary>
    [Fact]
    public async Task Store_ThatIsCarriedOutAfterTheSweep_StoresNothing()
    {
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var model = new ScriptedModel(_ => reply.Task);
        var answer = _replica.AnswerAsync(_chat, model);
        await model.Asked.Soon();
        _way.Freeze();
        reply.SetResult("late");
        await _way.Taken.Soon();
        await SweepByOtherAsync();
        _way.Thaw();
        Assert.Equal((ReplyStatus.TooLate, true), ((await answer).Status, (await answer).IsSettled));
        Assert.Equal(ChatStatus.Tombstone, (await RowAsync())!.Status);
        Assert.Equal((4000, 0), (_ledger.Balance, _ledger.Held));
    }

    private async Task SweepByOtherAsync()
    {
        await _other.BecomeSteadyAsync();
        _ledger.Age(Dead);
        await _other.SweepAsync();
    }

    private async Task AssertKeptAsync()
    {
        Assert.Equal((ChatStatus.Completed, Cost), ((await RowAsync())!.Status, (await RowAsync())!.Cost));
        Assert.True(_ledger.IsCaptured(User, _chat.Id));
        Assert.Equal((4000 - Cost, 0), (_ledger.Balance, _ledger.Held));
    }

    private async Task<StoredChat?> RowAsync() =>
        (await _other.Store.FindAsync(User, [_chat.Id], CancellationToken).Soon()).GetValueOrDefault(_chat.Id);
}
