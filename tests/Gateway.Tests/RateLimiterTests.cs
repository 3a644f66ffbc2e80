using Gateway.Limits;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Gateway.Tests;

/// <summary>A limit that several replicas hold together, over a real Redis.</summary>
public sealed class RateLimiterTests : IAsyncLifetime
{
    private const int Permits = 100;

    /// <summary>Long where Redis answers, however slow the machine is.</summary>
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    private readonly StoppedClock _clock = new();
    private readonly List<IAsyncDisposable> _services = [];
    private OwnRedis _redis = null!;

    public async ValueTask InitializeAsync() => _redis = await OwnRedis.StartAsync();

    public async ValueTask DisposeAsync()
    {
        _redis.GoOn(); // Or its clients would wait for it.
        foreach (var service in _services)
        {
            await service.DisposeAsync();
        }

        await _redis.DisposeAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Permits_TakenAtOnceFromAllReplicas_AreAsManyAsTheLimitAllows(int replicas)
    {
        var limiters = await NewReplicasAsync(replicas);
        var permits = await Task.WhenAll(Enumerable.Range(0, Permits * 3)
            .Select(n => Task.Run(() => limiters[n % replicas].TakeAsync("caller").AsTask())));
        Assert.Equal(Permits, permits.Count(permit => permit.IsGranted));
        foreach (var limiter in limiters)
        {
            Assert.False((await limiter.TakeAsync("caller")).IsGranted);
        }
    }

    [Fact]
    public async Task Permits_TakenOneByOne_CountDown()
    {
        var limiter = (await NewReplicasAsync(1))[0];
        for (var left = Permits - 1; left >= 0; left--)
        {
            var permit = await limiter.TakeAsync("caller");
            Assert.Equal((true, left), (permit.IsGranted, permit.Remaining));
        }

        var refused = await limiter.TakeAsync("caller");
        Assert.Equal((false, 0), (refused.IsGranted, refused.Remaining));
        Assert.InRange(refused.Seconds, 1, 60);
        Assert.True((await limiter.TakeAsync("another")).IsGranted, "Another caller is limited by the first.");
    }

    /// <summary>What the other replica has used is no longer there, also when it has stopped asking.</summary>
    [Fact]
    public async Task Permits_UsedAtOneReplica_AreMissingAtTheOther()
    {
        var limiters = await NewReplicasAsync(2);
        for (var n = 0; n < 60; n++)
        {
            await limiters[0].TakeAsync("caller");
        }

        var granted = 0;
        while ((await limiters[1].TakeAsync("caller")).IsGranted)
        {
            granted++;
        }

        Assert.InRange(granted, 30, 40); // The first holds a block at most that it has not used.
    }

    [Fact]
    public async Task Permit_GivenBack_CanBeTakenAgain()
    {
        var limiter = (await NewReplicasAsync(1, permits: 1))[0];
        for (var n = 0; n < 3; n++)
        {
            var permit = await limiter.TakeAsync("caller");
            Assert.True(permit.IsGranted);
            RateLimiter.GiveBack(permit);
        }
    }

    [Fact]
    public async Task Permit_GivenBackInTheNextWindow_IsNoneOfThat()
    {
        var limiter = (await NewReplicasAsync(1, permits: 1))[0];
        var permit = await limiter.TakeAsync("caller");
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True((await limiter.TakeAsync("caller")).IsGranted);
        RateLimiter.GiveBack(permit);
        Assert.False((await limiter.TakeAsync("caller")).IsGranted);
    }

    [Fact]
    public async Task Permits_OfTheNextWindow_AreNew()
    {
        var limiters = await NewReplicasAsync(2);
        while ((await limiters[0].TakeAsync("caller")).IsGranted)
        {
            // Until all are gone.
        }

        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True((await limiters[0].TakeAsync("caller")).IsGranted);
        Assert.True((await limiters[1].TakeAsync("caller")).IsGranted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Permits_WhileRedisIsSilent_AreLimitedAtEachReplica(bool wasAskedBefore)
    {
        var limiters = await NewReplicasAsync(2, patience: Short);
        if (wasAskedBefore)
        {
            await limiters[0].TakeAsync("caller");
        }

        _redis.Stall();
        foreach (var limiter in limiters)
        {
            var permits = await Task.WhenAll(Enumerable.Range(0, Permits * 2)
                .Select(_ => limiter.TakeAsync("caller").AsTask())).Soon();
            var before = wasAskedBefore && limiter == limiters[0] ? 1 : 0;
            Assert.Equal(Permits - before, permits.Count(permit => permit.IsGranted));
        }
    }

    [Fact]
    public async Task Permits_AfterRedisCameBack_AreSharedAgain()
    {
        var limiters = await NewReplicasAsync(2, patience: TimeSpan.FromSeconds(3));
        _redis.Stall();
        Assert.True((await limiters[0].TakeAsync("caller")).IsGranted);
        _redis.GoOn();
        _clock.Advance(TimeSpan.FromMinutes(1));
        await _redis.Connection.GetDatabase().PingAsync();
        var permits = await Task.WhenAll(Enumerable.Range(0, Permits * 2)
            .Select(n => limiters[n % 2].TakeAsync("caller").AsTask()));
        Assert.Equal(Permits, permits.Count(permit => permit.IsGranted));
    }

    [Fact]
    public async Task Callers_BeyondThoseThatAreKept_AreLimitedTooAndKeepNoMemory()
    {
        var limiter = (await NewReplicasAsync(1, permits: 1, Short))[0];
        _redis.Stall(); // To be fast.
        for (var n = 0; n < 110_000; n++)
        {
            await limiter.TakeAsync($"caller {n}");
        }

        Assert.InRange(limiter.Callers, 100_000, 100_000 + 4096);
        Assert.False((await limiter.TakeAsync("caller 109999")).IsGranted);
    }

    private async Task<RateLimiter[]> NewReplicasAsync(
        int count, int permits = Permits, TimeSpan? patience = null)
    {
        var limit = new Limit { Permits = permits };
        var replicas = new RateLimiter[count];
        for (var n = 0; n < count; n++)
        {
            var options = ConfigurationOptions.Parse(_redis.ConnectionString);
            options.BacklogPolicy = BacklogPolicy.FailFast;
            options.AsyncTimeout = (int)Long.TotalMilliseconds;
            var services = new ServiceCollection()
                .AddSingleton<IConnectionMultiplexer>(_ => ConnectionMultiplexer.Connect(options))
                .BuildServiceProvider();
            _services.Add(services);
            var counts = new SharedCounts(
                services,
                Options.Create(new LimitSettings { Patience = patience ?? Long }),
                _clock,
                NullLogger<SharedCounts>.Instance);
            await counts.StartAsync(TestContext.Current.CancellationToken).Soon();
            await counts.Connected.Soon();
            replicas[n] = new RateLimiter("test", limit, counts, _clock);
        }

        return replicas;
    }
}
