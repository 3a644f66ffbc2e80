using System.Net;

namespace AspireChat.Tests;

/// <summary>The gateways' limits, as they are and as the AppHost sets them.</summary>
public sealed class RateLimitTests(AppHostFixture system)
{
    private const int Burst = 500;
    private const int Logins = 60;

    [Theory]
    [InlineData("/api/tokens")]
    [InlineData("/api/chat")]
    public async Task Burst_OfAUser_PassesByDefault(string path)
    {
        using var user = await system.NewUserAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, Burst).Select(_ => user.Client.ReadAsync(path)));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
    }

    /// <summary>Only 40 of them can be paid, and all of them are judged by that.</summary>
    [Fact]
    public async Task BurstOfChats_OfAUser_PassesByDefault()
    {
        using var user = await system.NewUserAsync();
        var answers = await Task.WhenAll(
            Enumerable.Range(0, Burst).Select(_ => user.Client.PostAsync("/api/chat", new { message = "hi" })));
        var statuses = answers.CountBy(answer => answer.StatusCode).ToDictionary();
        Assert.Equal(40, statuses.GetValueOrDefault(HttpStatusCode.Created));
        // On a slow machine a ledger that is asked 500 things at once may be late for some: 503, and not charged.
        Assert.False(statuses.ContainsKey(HttpStatusCode.TooManyRequests), string.Join(", ", statuses));
    }

    [Fact]
    public async Task Logins_60InAMinute_PassByDefault()
    {
        using var user = await system.NewUserAsync();
        for (var n = 0; n < Logins; n++)
        {
            await user.Client.LoginAsync(user.Name, ApiClient.Password);
        }
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Limits_SetAtTheAppHost_HoldForAllGatewaysTogether()
    {
        await using var own = new AppHostFixture("--Limits:Call:Permits=7", "--Limits:Call:Window=1.00:00:00");
        await own.InitializeAsync();
        using var user = await own.NewUserAsync();
        using var other = own.App.CreateHttpClient("gateway-2");
        other.DefaultRequestHeaders.Authorization = user.Client.DefaultRequestHeaders.Authorization;
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(n =>
            (n % 2 == 0 ? user.Client : other).ReadAsync("/api/tokens")));
        Assert.Equal(7, answers.Count(answer => answer.StatusCode is HttpStatusCode.OK));
        var refused = answers.First(answer => answer.StatusCode is not HttpStatusCode.OK);
        Assert.Equal("too_many_requests", (await refused.ProblemAsync(HttpStatusCode.TooManyRequests)).Code);
        Assert.Equal("\"call\";q=7;w=86400", Assert.Single(refused.Headers.GetValues("RateLimit-Policy")));
    }
}
