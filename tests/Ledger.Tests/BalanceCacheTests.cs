using Ledger.Service.Accounts;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>Redis speeds reads and decides nothing.</summary>
public sealed class BalanceCacheTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Set_OlderVersionAfterNewer_KeepsTheNewer()
    {
        var cache = await ConnectedCacheAsync();
        var account = ServersFixture.NewAccount();
        await cache.SetAsync(account, new Balance(300, Version: 5));
        await cache.SetAsync(account, new Balance(400, Version: 4));
        Assert.Equal(new Balance(300, 5), await cache.GetAsync(account));
        await cache.SetAsync(account, new Balance(200, Version: 6));
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
        Assert.Equal(4000, await servers.Ledger.GetBalanceAsync(account, Cancellation));
    }

    [Fact]
    public async Task Read_AfterEachWrite_IsNeverOlder()
    {
        await ConnectedCacheAsync();
        var account = ServersFixture.NewAccount();
        for (var left = 3900L; left >= 0; left -= 100)
        {
            await servers.Ledger.DebitAsync(
                new DebitRequest(Guid.NewGuid(), account, 100, TransferKind.Charge, null), Cancellation);
            Assert.Equal(left, await servers.Ledger.GetBalanceAsync(account, Cancellation));
        }
    }

    [Fact]
    public async Task Ledger_WithoutRedis_DecidesAndReadsTheSame()
    {
        var ledger = servers.NewLedger(ServersFixture.NewCache(redis: null));
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ledger.DebitAsync(
            new DebitRequest(Guid.NewGuid(), account, 100, TransferKind.Charge, null), Cancellation)));
        Assert.Equal(40, outcomes.Count(outcome => outcome.Status == TransferStatus.Created));
        Assert.Equal(0, await ledger.GetBalanceAsync(account, Cancellation));
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Fact]
    public async Task Charge_WhenRedisPromisesMore_IsDecidedByPostgres()
    {
        var account = ServersFixture.NewAccount();
        await servers.Redis.GetDatabase().StringSetAsync($"balance:{account}", "1000:999999");
        var outcome = await servers.Ledger.DebitAsync(
            new DebitRequest(Guid.NewGuid(), account, 4001, TransferKind.Charge, null), Cancellation);
        Assert.Equal(TransferStatus.InsufficientTokens, outcome.Status);
    }

    /// <summary>
    /// A cache connects aside; until then everything is a miss, which these tests must not mistake for a result.
    /// </summary>
    private async Task<BalanceCache> ConnectedCacheAsync()
    {
        var cache = ServersFixture.NewCache(servers.Redis);
        var probe = ServersFixture.NewAccount();
        while (await cache.GetAsync(probe) is null)
        {
            Cancellation.ThrowIfCancellationRequested();
            await cache.SetAsync(probe, new Balance(1, 1));
        }

        return cache;
    }
}
