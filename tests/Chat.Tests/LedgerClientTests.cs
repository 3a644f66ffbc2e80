using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

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
        var (bothThere, goOn, calls) = (NewSignal(), NewSignal(), 0);
        _ledger.Before["hold"] = _ =>
        {
            if (Interlocked.Increment(ref calls) == 2)
            {
                bothThere.TrySetResult();
            }

            return goOn.Task;
        };
        var chats = Enumerable.Range(0, 200).Select(_ => New()).ToList();
        var holds = chats.ConvertAll(chat => Client.HoldAsync(chat, CancellationToken));
        await bothThere.Task.Soon();
        goOn.SetResult();
        Assert.All(await Task.WhenAll(holds).Soon(), hold => Assert.Equal(HoldOutcome.Held, hold.Outcome));
        Assert.Equal(200 * 100, _ledger.Held);
        Assert.Equal([1, 1], _ledger.Batches.Order().Take(2)); // They may arrive in any order.
        Assert.All(_ledger.Batches, batch => Assert.InRange(batch, 1, 64));
        Assert.InRange(_ledger.Batches.Count(), 5, 8);
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public async Task Hold_WhoseAccountIsBusy_IsSentFourTimesInAll(int busy, bool isHeld)
    {
        _ledger.Busy = busy;
        var hold = await Client.HoldAsync(New(), CancellationToken).Soon();
        Assert.Equal(isHeld ? HoldOutcome.Held : HoldOutcome.Failed, hold.Outcome);
        Assert.Equal(4, _ledger.Batches.Count());
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

    /// <summary>
    /// Two batches are carried out when the ledger dies, and their answers are lost. When it is back, it is asked for
    /// them again, and for what waits behind them.
    /// </summary>
    [Fact]
    public async Task Holds_OfALedgerThatIsRestarted_AreAllHeldOnce()
    {
        await using var way = TestProxy.To(_ledger.Address.Port);
        using var replica = new TestReplica(database.Source, way.Address);
        var (carriedOut, died, batches) = (NewSignal(), NewSignal(), 0);
        _ledger.After["hold"] = _ =>
        {
            if (Interlocked.Increment(ref batches) == 2)
            {
                carriedOut.TrySetResult();
            }

            return died.Task;
        };
        var holds = Enumerable.Range(0, 100).Select(_ => replica.Ledger.HoldAsync(New(), CancellationToken)).ToList();
        await carriedOut.Task.Soon();
        _ledger.Recover();
        way.Break(refusals: 2); // One attempt of each, or two of one.
        died.SetResult();
        Assert.All(await Task.WhenAll(holds).Soon(), hold => Assert.Equal(HoldOutcome.Held, hold.Outcome));
        Assert.Equal(100 * 100, _ledger.Held);
        Assert.InRange(_ledger.Asked.Count(), 102, int.MaxValue);
    }

    /// <summary>
    /// One replica takes the call and says nothing. After a second the other one is asked for the same hold; what the
    /// first does when it goes on, be it in the middle of the chat or after its end, changes nothing.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Hold_OfAReplicaThatIsFrozen_IsHeldOnceByTheOther(bool isOverWhenItGoesOn)
    {
        await using var frozen = TestProxy.To(_ledger.Address.Port);
        frozen.Freeze();
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["services:ledger:http:0"] = $"{frozen.Address}",
            ["services:ledger:http:1"] = $"{_ledger.Address}",
            ["services:identity:http:0"] = $"{_ledger.Address}",
            ["Ledger:ClientSecret"] = "secret",
        });
        builder.Logging.ClearProviders();
        builder.AddServiceDefaults();
        builder.AddLedgerClient();
        using var host = builder.Build();
        var client = host.Services.GetRequiredService<LedgerClient>();
        PendingChat[] chats = [New(), New()]; // Replicas are asked in turn, so one of the two goes to the frozen one.
        foreach (var chat in chats)
        {
            Assert.Equal(HoldOutcome.Held, (await client.HoldAsync(chat, CancellationToken).Soon()).Outcome);
        }

        await frozen.Taken.Soon();
        Assert.Equal(["hold", "hold"], _ledger.Asked);
        foreach (var chat in isOverWhenItGoesOn ? chats : [])
        {
            await client.CaptureAsync(chat.Answered("hi", 0).ToStored(1, DateTimeOffset.UnixEpoch)).Soon();
        }

        var late = NewSignal();
        _ledger.After["hold"] = _ =>
        {
            late.TrySetResult();
            return Task.CompletedTask;
        };
        frozen.Thaw();
        await late.Task.Soon();
        Assert.Equal(isOverWhenItGoesOn ? (1_000_000 - 200, 0) : (1_000_000, 200), (_ledger.Balance, _ledger.Held));
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
