using System.Net;
using Microsoft.Extensions.DependencyInjection;
using OpenIddict.Abstractions;

namespace Identity.Tests;

/// <summary>Refresh tokens rotate, and a stolen one ends its whole family (RFC 9700, 4.14).</summary>
public sealed class RefreshTests(IdentityFixture identity)
{
    private readonly HttpClient _lenient = identity.Lenient.CreateClient();
    private readonly HttpClient _strict = identity.Strict.CreateClient();

    [Fact]
    public async Task Refresh_Again_RotatesForTheSameUser()
    {
        var tokens = await _strict.NewUserAsync();
        var seen = new HashSet<string> { tokens.Refresh };
        for (var rotation = 0; rotation < 3; rotation++)
        {
            using var response = await _strict.RefreshAsync(tokens.Refresh);
            var rotated = await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
            Assert.True(seen.Add(rotated.Refresh), "Each refresh token is new.");
            Assert.Equal(tokens.Claims.GetProperty("sub").GetString(), rotated.Claims.GetProperty("sub").GetString());
            tokens = rotated;
        }
    }

    [Fact]
    public async Task Replay_WithinTheLeeway_Works()
    {
        var tokens = await _lenient.NewUserAsync();
        var first = await RotateAsync(_lenient, tokens.Refresh);
        var second = await RotateAsync(_lenient, tokens.Refresh);
        await RotateAsync(_lenient, first.Refresh);
        await RotateAsync(_lenient, second.Refresh);
    }

    [Fact]
    public async Task Replay_OutsideTheLeeway_RevokesTheFamilyAndNoOther()
    {
        var name = IdentityApi.NewName();
        using var registered = await _strict.RegisterAsync(name);
        var stolen = await _strict.LogInAsync(name);
        var other = await _strict.LogInAsync(name);
        var rotated = await RotateAsync(_strict, stolen.Refresh);

        await AssertRefusedAsync(_strict, stolen.Refresh);
        await AssertRefusedAsync(_strict, rotated.Refresh);
        await AssertRefusedAsync(_lenient, rotated.Refresh);
        // The family, and not only the tokens it had: one that a refresh was about to add is no good either.
        Assert.True(await _strict.IsEndedAsync(rotated));
        Assert.False(await _strict.IsEndedAsync(other));
        await RotateAsync(_strict, other.Refresh);
    }

    [Fact]
    public async Task Replay_WhenTheLeewayHasPassed_RevokesTheFamily()
    {
        var clock = new TestClock();
        await using var service = new IdentityServer(identity.ConnectionString, clock: clock);
        await service.StartAsync();
        using var client = service.CreateClient();
        var tokens = await client.NewUserAsync();
        var rotated = await RotateAsync(client, tokens.Refresh);

        clock.Ahead = TimeSpan.FromSeconds(29);
        var lateButGood = await RotateAsync(client, tokens.Refresh);
        clock.Ahead = TimeSpan.FromSeconds(31);
        await AssertRefusedAsync(client, tokens.Refresh);
        await AssertRefusedAsync(client, rotated.Refresh);
        await AssertRefusedAsync(client, lateButGood.Refresh);
    }

    [Fact]
    public async Task RefreshToken_AfterADay_IsRefused()
    {
        var clock = new TestClock();
        await using var service = new IdentityServer(identity.ConnectionString, clock: clock);
        await service.StartAsync();
        using var client = service.CreateClient();
        var tokens = await client.NewUserAsync();

        clock.Ahead = TimeSpan.FromHours(23.9);
        var rotated = await RotateAsync(client, tokens.Refresh);
        clock.Ahead += TimeSpan.FromHours(24.1);
        await AssertRefusedAsync(client, rotated.Refresh);
    }

    [Fact]
    public async Task RefreshToken_Used12TimesAtOnceOnTwoReplicas_WorksEachTimeWithinTheLeeway()
    {
        await using var replica = new IdentityServer(identity.ConnectionString);
        await replica.StartAsync();
        using var other = replica.CreateClient();
        var tokens = await _lenient.NewUserAsync();
        var rotated = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(n => RotateAsync(n % 2 == 0 ? _lenient : other, tokens.Refresh)));
        Assert.Equal(12, rotated.Select(each => each.Refresh).Distinct().Count());
    }

    [Fact]
    public async Task Logout_WithAnyTokenOfAFamily_EndsAllOfItAndNoOther()
    {
        var name = IdentityApi.NewName();
        using var registered = await _lenient.RegisterAsync(name);
        var first = await _lenient.LogInAsync(name);
        var other = await _lenient.LogInAsync(name);
        var rotated = await RotateAsync(_lenient, first.Refresh);

        using var loggedOut = await _lenient.LogOutAsync(first.Refresh);
        Assert.Equal(HttpStatusCode.NoContent, loggedOut.StatusCode);
        await AssertRefusedAsync(_lenient, first.Refresh);
        await AssertRefusedAsync(_lenient, rotated.Refresh);
        using var again = await _lenient.LogOutAsync(rotated.Refresh);
        await again.ProblemAsync(HttpStatusCode.Unauthorized);
        await RotateAsync(_lenient, other.Refresh);
    }

    [Fact]
    public async Task RefreshToken_ThatIsNone_Is401()
    {
        var user = await _lenient.NewUserAsync();
        foreach (var token in new[] { "nonsense", "a\0b", user.Access, new string('x', 100_000), user.Refresh + "x" })
        {
            await AssertRefusedAsync(_lenient, token);
            using var loggedOut = await _lenient.LogOutAsync(token);
            await loggedOut.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        await RotateAsync(_lenient, user.Refresh);
    }

    [Fact]
    public async Task RefreshToken_Used20TimesAtOnceOnTwoReplicas_LeavesOneFamilyUntilItIsReplayedLate()
    {
        var clock = new TestClock();
        await using var one = new IdentityServer(identity.ConnectionString, clock: clock);
        await using var other = new IdentityServer(identity.ConnectionString, clock: clock);
        await Task.WhenAll(one.StartAsync(), other.StartAsync());
        using var first = one.CreateClient();
        using var second = other.CreateClient();
        var tokens = await first.NewUserAsync();

        var rotated = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(n => RotateAsync(n % 2 == 0 ? first : second, tokens.Refresh)));
        Assert.Equal(20, rotated.Select(each => each.Refresh).Distinct().Count());
        Assert.Equal(1, await CountFamiliesAsync(one, tokens));
        var living = await RotateAsync(second, rotated[7].Refresh);

        clock.Ahead = TimeSpan.FromSeconds(31);
        await AssertRefusedAsync(second, tokens.Refresh);
        foreach (var each in rotated.Append(living))
        {
            await AssertRefusedAsync(first, each.Refresh);
        }
    }

    [Fact]
    public async Task RefreshToken_Used20TimesAtOnceWithoutALeeway_WorksOnceAtMost()
    {
        await using var replica = new IdentityServer(
            identity.ConnectionString, new() { ["Auth:RefreshReuseLeeway"] = "00:00:00" });
        await replica.StartAsync();
        using var other = replica.CreateClient();
        var tokens = await _strict.NewUserAsync();
        var responses = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(n => (n % 2 == 0 ? _strict : other).RefreshAsync(tokens.Refresh)));
        Assert.InRange(responses.Count(response => response.IsSuccessStatusCode), 0, 1);
        Assert.All(responses, response => Assert.True((int)response.StatusCode is 200 or 401, $"{response}"));
        foreach (var winner in responses.Where(response => response.IsSuccessStatusCode))
        {
            // It was replayed at once.
            await AssertRefusedAsync(other, (await winner.ReadAsync<LoginAnswer>(HttpStatusCode.OK)).Refresh);
        }
    }

    private static async Task<int> CountFamiliesAsync(IdentityServer service, LoginAnswer tokens)
    {
        await using var scope = service.Services.CreateAsyncScope();
        var subject = tokens.Claims.GetProperty("sub").GetString()!;
        return await scope.ServiceProvider.GetRequiredService<IOpenIddictAuthorizationManager>()
            .FindBySubjectAsync(subject, TestContext.Current.CancellationToken)
            .CountAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<LoginAnswer> RotateAsync(HttpClient client, string refresh)
    {
        using var response = await client.RefreshAsync(refresh);
        return await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    private static async Task AssertRefusedAsync(HttpClient client, string refresh)
    {
        using var response = await client.RefreshAsync(refresh);
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
    }
}
