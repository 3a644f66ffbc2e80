using System.Net;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>Guessing is slow, and nobody is locked out for good.</summary>
public sealed class LockoutTests(IdentityFixture identity) : IAsyncLifetime
{
    private readonly StoppedClock _clock = new();
    private readonly CountingHasher _hasher = new();
    private readonly string _address = IdentityApi.NewAddress();
    private IdentityServer? _service;

    private IdentityServer Service => _service!;

    public async ValueTask InitializeAsync() => _service = await StartAsync([]);

    [Fact]
    public async Task TwentyWrongPasswords_InARow_LockAndTheRightUserIsLetInAfterTheSetTime()
    {
        using var client = Service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        var before = _hasher.Computed;
        var answers = new List<HttpStatusCode>();
        for (var n = 0; n < 20; n++)
        {
            using var response = await client.TryLogInAsync(name);
            answers.Add(response.StatusCode);
        }

        Assert.Equal(Enumerable.Repeat(HttpStatusCode.Unauthorized, 5), answers.Take(5));
        Assert.Equal(Enumerable.Repeat(HttpStatusCode.TooManyRequests, 15), answers.Skip(5));
        Assert.Equal(5, _hasher.Computed - before);

        Assert.Equal(1, await LockedForAsync(client, name, IdentityApi.Password));
        _clock.Advance(TimeSpan.FromSeconds(1));
        await client.LogInAsync(name);
    }

    [Fact]
    public async Task Lock_WithEachFailureMore_DoublesUpToAQuarterOfAnHourAndASuccessEndsIt()
    {
        using var client = Service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await FailAsync(client, name, 5);
        foreach (var expected in new[] { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900 })
        {
            Assert.Equal(expected, await LockedForAsync(client, name));
            _clock.Advance(TimeSpan.FromSeconds(expected) - TimeSpan.FromMilliseconds(1));
            Assert.Equal(1, await LockedForAsync(client, name));
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            await FailAsync(client, name, 1);
        }

        _clock.Advance(TimeSpan.FromSeconds(900));
        await client.LogInAsync(name);
        await FailAsync(client, name, 5);
        Assert.Equal(1, await LockedForAsync(client, name));
    }

    [Fact]
    public async Task Failures_OfADayAgo_AreForgotten()
    {
        using var client = Service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await FailAsync(client, name, 4);
        _clock.Advance(TimeSpan.FromHours(25));
        await FailAsync(client, name, 4);
        await client.LogInAsync(name);
    }

    [Fact]
    public async Task Lock_AtOneAddress_IsNoneAtAnother()
    {
        using var stranger = Service.CreateClientAt(_address);
        using var user = Service.CreateClientAt(IdentityApi.NewAddress());
        var name = await user.NewNameAsync();
        await FailAsync(stranger, name, 5);
        Assert.Equal(1, await LockedForAsync(stranger, name));
        await user.LogInAsync(name);
    }

    [Fact]
    public async Task Lock_OnOneReplica_IsOneOnAll()
    {
        await using var replica = await StartAsync([]);
        using var client = Service.CreateClientAt(_address);
        using var other = replica.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await FailAsync(client, name, 3);
        await FailAsync(other, name, 2);
        Assert.Equal(1, await LockedForAsync(client, name));
        Assert.Equal(1, await LockedForAsync(other, name.ToUpperInvariant()));
    }

    [Fact]
    public async Task Login_OnReplicasWhoseClocksDiffer_IsNotLockedByOneThatSucceededOrFailedOnce()
    {
        var ahead = new StoppedClock();
        ahead.Advance(TimeSpan.FromSeconds(5));
        await using var replica = new IdentityServer(identity.ConnectionString, clock: ahead);
        await replica.StartAsync();
        using var client = Service.CreateClientAt(_address);
        using var other = replica.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await other.LogInAsync(name);
        await client.LogInAsync(name);
        await FailAsync(other, name, 1);
        await client.LogInAsync(name);
    }

    [Fact]
    public async Task Pruning_OfFailures_RemovesWhatIsForgottenAndNothingElse()
    {
        await using var service = new IdentityServer(
            await identity.CreateDatabaseAsync(), clock: _clock, change: _hasher.Use);
        await service.StartAsync();
        using var client = service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await client.LogInAsync(name);
        await FailAsync(client, IdentityApi.NewName(), 1);
        _clock.Advance(TimeSpan.FromHours(23));
        Assert.Equal(4, await PruneAsync(service));
        _clock.Advance(TimeSpan.FromHours(2));
        Assert.Equal(1, await PruneAsync(service));
        _clock.Advance(TimeSpan.FromDays(30));
        Assert.Equal(0, await PruneAsync(service));
    }

    [Theory]
    [InlineData("203.0.113.7", "::ffff:203.0.113.7", true)]
    [InlineData("203.0.113.7", "203.0.113.8", false)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:102::1", false)]
    public void Addresses_OfOneCustomer_CountAsOne(string one, string other, bool areOne)
    {
        var (first, second) = (Of(one), Of(other));
        Assert.Equal(areOne, first.User == second.User);
        Assert.Equal(areOne, first.Source == second.Source);
        Assert.Equal(first.Account, second.Account);
        Assert.NotEqual(first.Source, LoginAttempt.Of("NAME", address: null, "secret").Source);

        static LoginAttempt Of(string address) => LoginAttempt.Of("NAME", IPAddress.Parse(address), "secret");
    }

    [Fact]
    public void Rows_AreNamedWithASecret_SoThatNobodyCanTellWhomTheyAreAbout()
    {
        var (one, other) = (LoginAttempt.Of("NAME", null, "one secret"), LoginAttempt.Of("NAME", null, "another"));
        Assert.NotEqual((one.User, one.Account), (other.User, other.Account));
        Assert.NotEqual(one.Source, other.Source);
    }

    [Fact]
    public async Task Guesses_FromManyAddresses_LockTheUserWhereTheyGoOnAndNowhereElse()
    {
        await using var service = await StartAsync(new() { ["Login:AccountFreeFailures"] = "5" });
        using var home = service.CreateClientAt(_address);
        var name = await home.NewNameAsync();
        await home.LogInAsync(name);
        using var guesser = service.CreateClientAt(IdentityApi.NewAddress());
        await FailAsync(guesser, name, 4);
        foreach (var expected in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            using var stranger = service.CreateClientAt(IdentityApi.NewAddress());
            await FailAsync(stranger, name, 1);
            Assert.Equal(expected, await LockedForAsync(guesser, name));

            // Where nobody has guessed the user gets in, and where the user was before also after a few slips.
            using var abroad = service.CreateClientAt(IdentityApi.NewAddress());
            await abroad.LogInAsync(name);
            await home.LogInAsync(name);
            _clock.Advance(TimeSpan.FromSeconds(expected));
        }

        using var slip = service.CreateClientAt(IdentityApi.NewAddress());
        await FailAsync(slip, name, 1);
        await slip.LogInAsync(name);
        using var slips = service.CreateClientAt(IdentityApi.NewAddress());
        await FailAsync(slips, name, 2);
        Assert.Equal(60, await LockedForAsync(slips, name, IdentityApi.Password));
        await FailAsync(home, name, 3);
        await home.LogInAsync(name);
    }

    [Fact]
    public async Task Lock_OfAnAddress_IsAMinuteAtMostWhateverIsCountedThere()
    {
        await using var service = await StartAsync(new() { ["Login:AddressFailuresPerMinute"] = "6" });
        using var client = service.CreateClientAt(_address);
        var names = new List<string>();
        for (var n = 0; n < 4; n++)
        {
            names.Add(await client.NewNameAsync());
            await client.LogInAsync(names[n]);
        }

        // Users who are known there may fail beyond its limit, and count.
        foreach (var name in names)
        {
            await FailAsync(client, name, 5);
        }

        Assert.Equal(60, await LockedForAsync(client, IdentityApi.NewName()));
    }

    [Fact]
    public async Task Guesses_AtManyUsersFromOneAddress_AreLimitedThereAndNowhereElse()
    {
        await using var service = await StartAsync(new() { ["Login:AddressFailuresPerMinute"] = "6" });
        using var sprayer = service.CreateClientAt(_address);
        using var other = service.CreateClientAt(IdentityApi.NewAddress());
        for (var n = 0; n < 7; n++)
        {
            await FailAsync(sprayer, IdentityApi.NewName(), 1);
        }

        Assert.Equal(10, await LockedForAsync(sprayer, IdentityApi.NewName()));
        await FailAsync(other, IdentityApi.NewName(), 1);

        _clock.Advance(TimeSpan.FromSeconds(10));
        await FailAsync(sprayer, IdentityApi.NewName(), 1);
        Assert.Equal(10, await LockedForAsync(sprayer, IdentityApi.NewName()));
    }

    [Fact]
    public async Task SixtyLogins_OfOneAddressInAMinute_PassRightOrWrong()
    {
        using var client = Service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        for (var n = 0; n < 60; n++)
        {
            await client.LogInAsync(name);
            await FailAsync(client, IdentityApi.NewName(), 1);
        }
    }

    [Fact]
    public async Task WrongPasswords_SentAtOnce_AreLookedAtAsOftenAsOneAfterAnother()
    {
        await using var service = await StartAsync(new()
        {
            ["Login:MaxParallelHashes"] = "1",
            ["Login:MaxQueuedHashesPerAddress"] = "64",
        });
        using var client = service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        var before = _hasher.Computed;
        var responses = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => client.TryLogInAsync(name)));
        Assert.Equal(5, _hasher.Computed - before);
        Assert.Equal(5, responses.Count(response => response.StatusCode == HttpStatusCode.Unauthorized));
        Assert.Equal(25, responses.Count(response => response.StatusCode == HttpStatusCode.TooManyRequests));
    }

    [Fact]
    public async Task PasswordGrant_OfAPlainOAuthClient_IsLockedToo()
    {
        using var client = Service.CreateClientAt(_address);
        var name = await client.NewNameAsync();
        await FailAsync(client, name, 5);
        using var response = await client.OAuthAsync(
            ("grant_type", "password"), ("username", name), ("password", IdentityApi.Password));
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
    }

    [Fact]
    public async Task ForwardedAddress_MadeUpByAClient_HasNoEffect()
    {
        // The gateway is elsewhere, so nobody on this machine is believed.
        await using var service = await StartAsync(new() { ["Login:KnownProxies:0"] = "192.0.2.0/24" });
        using var registering = service.CreateClient();
        var name = await registering.NewNameAsync();
        for (var n = 0; n < 5; n++)
        {
            using var client = service.CreateClientAt(IdentityApi.NewAddress());
            await FailAsync(client, name, 1);
        }

        using var another = service.CreateClientAt(IdentityApi.NewAddress());
        Assert.Equal(1, await LockedForAsync(another, name));
    }

    [Fact]
    public async Task ForwardedAddress_BehindOneThatTheGatewayWrote_IsNotRead()
    {
        using var registering = Service.CreateClient();
        var name = await registering.NewNameAsync();
        for (var n = 0; n < 5; n++)
        {
            using var client = Service.CreateClientAt($"{IdentityApi.NewAddress()}, {_address}");
            await FailAsync(client, name, 1);
        }

        using var another = Service.CreateClientAt(_address);
        Assert.Equal(1, await LockedForAsync(another, name));
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();

    private static async Task FailAsync(HttpClient client, string name, int times)
    {
        for (var n = 0; n < times; n++)
        {
            using var response = await client.TryLogInAsync(name);
            await response.ProblemAsync(HttpStatusCode.Unauthorized);
        }
    }

    private static async Task<int> PruneAsync(IdentityServer service)
    {
        await service.Services.GetRequiredService<LoginThrottle>()
            .PruneAsync(TestContext.Current.CancellationToken).Soon();
        await using var scope = service.Services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<IdentityDb>().LoginFailures
            .CountAsync(TestContext.Current.CancellationToken).Soon();
    }

    /// <summary>The seconds for which a login is locked; 0 when it is not.</summary>
    private static async Task<double> LockedForAsync(
        HttpClient client, string name, string password = "a wrong password")
    {
        using var response = await client.TryLogInAsync(name, password);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return 0;
        }

        await response.ProblemAsync(HttpStatusCode.TooManyRequests);
        return response.Headers.RetryAfter!.Delta!.Value.TotalSeconds;
    }

    private async Task<IdentityServer> StartAsync(Dictionary<string, string> settings)
    {
        var service = new IdentityServer(identity.ConnectionString, settings, _clock, change: _hasher.Use);
        await service.StartAsync();
        return service;
    }
}
