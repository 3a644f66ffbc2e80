using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Chat.Tests;

/// <summary>The way to the ledger, with a ledger that is slow, cut off, frozen or restarted.</summary>
public sealed class LedgerClientTests(ChatDatabase database) : IAsyncLifetime
{
    private const long User = 9;

    private TestLedger _ledger = null!;
    private TestReplica _replica = null!;

    private LedgerClient Client => _replica.Ledger;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _ledger = await TestLedger.StartAsync();
        _ledger.Balance = 1_000_000;
        _replica = new TestReplica(database.Source, _ledger.Address);
    }

    public ValueTask DisposeAsync()
    {
        _replica.Dispose();
        return _ledger.DisposeAsync();
    }

    [Theory]
    [InlineData(1000L, 100L)]
    [InlineData(null, 0L)]
    public void Hold_WithAKey_NamesItAndItsLimits(long? limit, long? daily)
    {
        var key = new UsedApiKey(5, limit, daily);
        Assert.Equal(key, HoldItem.Hold(New() with { Key = key }).Key);
        Assert.Null(HoldItem.Hold(New()).Key);
    }

    /// <summary>One alone waits for nobody, and what gathers goes together.</summary>
    [Fact]
    public async Task Holds_ManyAtOnce_GoInFewBatches()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ledger.Before["hold"] = _ => goOn.Task;
        var chats = Enumerable.Range(0, 200).Select(_ => New()).ToList();
        var holds = chats.ConvertAll(chat => Client.HoldAsync(chat, CancellationToken));
        goOn.SetResult();
        Assert.All(await Task.WhenAll(holds).Soon(), hold => Assert.Equal(HoldOutcome.Held, hold.Outcome));
        Assert.Equal(200 * 100, _ledger.Held);
        Assert.Equal([1, 1], _ledger.Batches.Order().Take(2)); // They may arrive in any order.
        Assert.All(_ledger.Batches, batch => Assert.InRange(batch, 1, 64));
        Assert.InRange(_ledger.Batches.Count(), 5, 8);
    }

    /// <summary>Each caller gets the outcome of its own item.</summary>
    [Fact]
    public async Task Items_OfABatch_HaveOutcomesOfTheirOwn()
    {
        _ledger.Balance = 1000;
        var holds = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Client.HoldAsync(New(), CancellationToken)))
            .Soon();
        Assert.Equal(10, holds.Count(hold => hold.Outcome is HoldOutcome.Held));
        Assert.Equal(40, holds.Count(hold => hold.Outcome is HoldOutcome.InsufficientTokens));
    }

    [Fact]
    public async Task Hold_OfALedgerThatFailsForAMoment_IsHeldOnce()
    {
        var failures = 0;
        _ledger.After["hold"] = context => failures++ < 2 ? TestLedger.Fail(context) : Task.CompletedTask;
        Assert.Equal(HoldOutcome.Held, (await Client.HoldAsync(New(), CancellationToken).Soon()).Outcome);
        Assert.Equal(100, _ledger.Held);
    }

    /// <summary>The first call is answered by nobody, and after a second the same goes again.</summary>
    [Fact]
    public async Task Hold_OfALedgerThatIsFrozen_IsAskedForAgain()
    {
        _ledger.Before["hold"] = context =>
        {
            _ledger.Recover();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        Assert.Equal(HoldOutcome.Held, (await Client.HoldAsync(New(), CancellationToken).Soon()).Outcome);
        Assert.Equal(["hold", "hold"], _ledger.Asked);
    }

    /// <summary>The frozen call goes on when its copy is answered and settled.</summary>
    [Fact]
    public async Task Hold_ThatIsCarriedOutAfterItsCopyWasCaptured_IsNotReopened()
    {
        var (frozen, thawed) = (NewSignal(), NewSignal());
        _ledger.Before["hold"] = async _ =>
        {
            _ledger.Recover();
            await frozen.Task;
            thawed.SetResult();
        };
        var chat = New();
        await Client.HoldAsync(chat, CancellationToken).Soon();
        await Client.CaptureAsync(chat.Answered("hi", 0).ToStored(1, DateTimeOffset.UnixEpoch)).Soon();
        frozen.SetResult();
        await thawed.Task.Soon();
        Assert.Equal(HoldOutcome.Captured, (await Client.HoldAsync(chat, CancellationToken).Soon()).Outcome);
        Assert.Equal((1_000_000 - 100, 0), (_ledger.Balance, _ledger.Held));
    }

    [Fact]
    public async Task Hold_WhoseCallerLeavesWhileItWaits_IsNotSent()
    {
        var goOn = NewSignal();
        _ledger.Before["hold"] = _ => goOn.Task;
        var underWay = new[] { Client.HoldAsync(New(), CancellationToken), Client.HoldAsync(New(), CancellationToken) };
        using var caller = new CancellationTokenSource();
        var waiting = Client.HoldAsync(New(), caller.Token);
        await caller.CancelAsync();
        goOn.SetResult();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
        await Task.WhenAll(underWay).Soon();
        Assert.Equal(2, _ledger.Asked.Count());
    }

    [Fact]
    public async Task Hold_WithoutALedger_Fails()
    {
        _ledger.Before["hold"] = TestLedger.Down;
        await Assert.ThrowsAsync<HttpRequestException>(() => Client.HoldAsync(New(), CancellationToken).Soon());
    }

    /// <summary>A batch under way and what waits behind it are carried out by the ledger that comes back.</summary>
    [Fact]
    public async Task Holds_OfALedgerThatIsRestarted_AreAllAnswered()
    {
        var address = _ledger.Address;
        var holds = Enumerable.Range(0, 100).Select(_ => Client.HoldAsync(New(), CancellationToken)).ToList();
        await _ledger.DisposeAsync();
        _ledger = await TestLedger.StartAsync(address);
        foreach (var hold in holds)
        {
            try
            {
                Assert.NotEqual(HoldOutcome.Failed, (await hold.Soon()).Outcome);
            }
            catch (HttpRequestException)
            {
                // It was away for longer than all attempts: the caller releases.
            }
        }

        _ledger.Balance = 1_000_000;
        Assert.Equal(HoldOutcome.Held, (await Client.HoldAsync(New(), CancellationToken).Soon()).Outcome);
    }

    [Fact]
    public async Task Release_ThatTheLedgerCannotCarryOut_IsAFailure()
    {
        _ledger.After["release"] = context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync("""[{"outcome":"failed","amount":0,"balance":0,"held":0}]""");
        };
        await Assert.ThrowsAsync<HttpRequestException>(() => Client.ReleaseAsync(New().ToHold()).Soon());
    }

    private static PendingChat New() => new(Guid.NewGuid(), User, "hello") { Most = 100 };

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
