using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace Ledger.Tests;

/// <summary>Redis speeds reads and decides nothing.</summary>
public sealed class BalanceCacheTests(ServersFixture servers)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Set_OlderVersionAfterNewer_KeepsTheNewer()
    {
        var cache = await ConnectedCacheAsync();
        var account = ServersFixture.NewAccount();
        await cache.SetAsync(account, new Balance(300, Revision: 5));
        await cache.SetAsync(account, new Balance(400, Revision: 4));
        Assert.Equal(new Balance(300, 5), await cache.GetAsync(account));
        await cache.SetAsync(account, new Balance(200, Revision: 6));
        Assert.Equal(new Balance(200, 6), await cache.GetAsync(account));
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("1:2:3")]
    [InlineData("-1:5")]
    [InlineData("1:-5")]
    [InlineData("99999999999999999999:1")]
    public async Task Get_OfWhatItHasNotWritten_IsAMissAndTheBalanceIsRight(string poison)
    {
        var account = ServersFixture.NewAccount();
        await servers.Redis.GetDatabase().StringSetAsync($"balance:{account}", poison);
        Assert.Null(await (await ConnectedCacheAsync()).GetAsync(account));
        Assert.Equal(4000, await servers.Accounts.GetBalanceAsync(account, Cancellation));
    }

    [Fact]
    public async Task Read_AfterEachWrite_IsNeverOlder()
    {
        await ConnectedCacheAsync();
        var account = ServersFixture.NewAccount();
        for (var left = 3900L; left >= 0; left -= 100)
        {
            await servers.Ledger.MoveAsync(
                new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction), Cancellation);
            Assert.Equal(left, await servers.Accounts.GetBalanceAsync(account, Cancellation));
        }
    }

    [Fact]
    public async Task Ledger_WithoutRedis_DecidesAndReadsTheSame()
    {
        using var cache = ServersFixture.NewCache(redis: null);
        var (accounts, ledger) = (
            ServersFixture.NewAccounts(servers.Database, cache), ServersFixture.NewLedger(servers.Database, cache));
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ledger.MoveAsync(
            new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction), Cancellation)));
        Assert.Equal(40, outcomes.Count(outcome => outcome.Status == HoldOutcome.Created));
        Assert.Equal(0, await accounts.GetBalanceAsync(account, Cancellation));
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Fact]
    public async Task Deduction_WhenRedisPromisesMore_IsDecidedByPostgres()
    {
        var account = ServersFixture.NewAccount();
        await servers.Redis.GetDatabase().StringSetAsync($"balance:{account}", "1000:999999");
        var outcome = await servers.Ledger.MoveAsync(
            new TransferRequest(Guid.NewGuid(), account, 4001, TransferKind.Deduction), Cancellation);
        Assert.Equal(HoldOutcome.InsufficientTokens, outcome.Status);
    }

    [Fact]
    public async Task Get_OfAForgedValue_IsAMissAndTheForgeryIsGone()
    {
        var cache = await ConnectedCacheAsync();
        var (account, other) = (ServersFixture.NewAccount(), ServersFixture.NewAccount());
        await cache.SetAsync(account, new Balance(300, Revision: 5));
        var value = await HeldAsync(account);

        await HoldAsync(account, value.Replace("5:300:", "5:900:", StringComparison.Ordinal));
        Assert.Null(await cache.GetAsync(account));
        Assert.Equal("", await HeldAsync(account));

        await HoldAsync(other, value); // Another account's.
        Assert.Null(await cache.GetAsync(other));
    }

    [Fact]
    public async Task Get_OfAValueThatSomebodyKeptAndPutBack_IsAMissOnceItsTimeIsOver()
    {
        var account = ServersFixture.NewAccount();
        var cache = await ConnectedCacheAsync();
        await cache.SetAsync(account, new Balance(300, Revision: 5));
        var kept = await HeldAsync(account);

        var later = new LaterTime(SignedBalance.Lifetime + TimeSpan.FromSeconds(1));
        using var lateCache = ServersFixture.NewCache(servers.Redis, later);
        await ConnectAsync(lateCache);
        await HoldAsync(account, kept);
        Assert.Null(await lateCache.GetAsync(account));
    }

    [Fact]
    public async Task Get_OfAKeyThatHoldsSomethingElse_IsAMissAndTheNextWriteIsHeld()
    {
        var cache = await ConnectedCacheAsync();
        var account = ServersFixture.NewAccount();
        await servers.Redis.GetDatabase().ListRightPushAsync($"balance:{account}", "poison");
        Assert.Null(await cache.GetAsync(account));
        await cache.SetAsync(account, new Balance(300, Revision: 5));
        Assert.Equal(new Balance(300, 5), await cache.GetAsync(account));
    }

    [Fact]
    public async Task Set_BehindAForgedHigherVersion_IsHeldAfterTheNextRead()
    {
        var account = ServersFixture.NewAccount();
        await ConnectedCacheAsync();
        const string Forged = "999999:1:1:forged";
        await HoldAsync(account, Forged);
        using var patience = new CancellationTokenSource(Timeout);
        string held;
        while ((held = await servers.HeldBalanceAsync(account)) == Forged)
        {
            patience.Token.ThrowIfCancellationRequested(); // The cache rests: nobody has looked at it yet.
        }

        Assert.StartsWith("1:4000:", held, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ledger_WithARedisThatStalls_AnswersAndTellsItLater()
    {
        await using var own = await OwnRedis.StartAsync();
        using var cache = ServersFixture.NewCache(
            own.Connection, settings: new() { CacheKey = ServersFixture.Settings.CacheKey });
        await cache.StartAsync(Cancellation);
        await ConnectAsync(cache);
        var (accounts, ledger) = (
            ServersFixture.NewAccounts(servers.Database, cache), ServersFixture.NewLedger(servers.Database, cache));
        var account = ServersFixture.NewAccount();
        Assert.Equal(4000, await accounts.GetBalanceAsync(account, Cancellation));

        own.Stall();
        foreach (var left in new[] { 3900, 3800 }) // The second change is not even sent to Redis.
        {
            var debited = await ledger.MoveAsync(
                new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction), Cancellation)
                .WaitAsync(Timeout, Cancellation);
            Assert.Equal((HoldOutcome.Created, left), (debited.Status, debited.Tokens));
            Assert.Equal(left, await accounts.GetBalanceAsync(account, Cancellation).WaitAsync(Timeout, Cancellation));
        }

        // It still holds the older balance, which another replica would read, until it is told.
        own.GoOn();
        using var patience = new CancellationTokenSource(Timeout);
        while (!(await HeldAsync(account, own.Connection)).StartsWith("3:3800:", StringComparison.Ordinal))
        {
            patience.Token.ThrowIfCancellationRequested();
        }

        Assert.Equal(3800, await accounts.GetBalanceAsync(account, Cancellation));
        await cache.StopAsync(Cancellation);
    }

    private async Task<string> HeldAsync(long account, IConnectionMultiplexer? redis = null) =>
        (await (redis ?? servers.Redis).GetDatabase().StringGetAsync($"balance:{account}")).ToString();

    private Task<bool> HoldAsync(long account, string value) =>
        servers.Redis.GetDatabase().StringSetAsync($"balance:{account}", value);

    private async Task<BalanceCache> ConnectedCacheAsync()
    {
        var cache = ServersFixture.NewCache(servers.Redis);
        await ConnectAsync(cache);
        return cache;
    }

    /// <summary>
    /// A cache connects aside; until then everything is a miss, which these tests must not mistake for a result.
    /// </summary>
    private static async Task ConnectAsync(BalanceCache cache)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Timeout);
        var probe = ServersFixture.NewAccount();
        while (await cache.GetAsync(probe) is null)
        {
            patience.Token.ThrowIfCancellationRequested();
            await cache.SetAsync(probe, new Balance(1, 1));
        }
    }

    private sealed class LaterTime(TimeSpan later) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + later;
    }
}
