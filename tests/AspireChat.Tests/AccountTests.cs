using System.Net;
using System.Net.Http.Json;

namespace AspireChat.Tests;

/// <summary>Users and their own accounts, through the gateway and all services.</summary>
public sealed class AccountTests(AppHostFixture system)
{
    [Fact]
    public async Task Account_OfAUserWhoLeaves_IsClosedAndTheNameIsFree()
    {
        using var user = await system.NewUserAsync();
        using var chat = await user.Client.PostAsync("/api/chat", new { message = "hello" });
        var id = (await chat.ReadAsync<ChatAnswer>(HttpStatusCode.Created)).User;
        using var seen = await user.Client.ReadAsync("/api/me");
        Assert.Equal(new Me(id, user.Name), await seen.ReadAsync<Me>(HttpStatusCode.OK));

        using var wrong = await LeaveAsync(user.Client, "a wrong password");
        await wrong.ProblemAsync(HttpStatusCode.BadRequest);
        using var left = await LeaveAsync(user.Client, ApiClient.Password);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);

        // Until the gateways refuse the access token, in a few seconds, it neither shows nor buys anything.
        using var gone = await user.Client.ReadAsync("/api/me");
        await gone.ProblemAsync(HttpStatusCode.Unauthorized);
        var problems = new List<string?>();
        await SlowSystem.UntilAsync(async () =>
        {
            using var chats = await user.Client.ReadAsync("/api/chat");
            if (chats.StatusCode is HttpStatusCode.OK)
            {
                Assert.Empty(await chats.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
            }

            using var refused = await user.Client.PostAsync("/api/chat", new { message = "still there?" });
            problems.Add((await refused.ProblemAsync(refused.StatusCode)).Code);
            return problems.Count(problem => problem == "session_ended") >= 4;
        });
        Assert.All(problems, problem => Assert.True(problem is "account_closed" or "session_ended", problem));

        using var client = system.CreateClient();
        await client.RegisterAsync(user.Name, ApiClient.Password);
        var tokens = await client.LoginAsync(user.Name, ApiClient.Password);
        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
        using var anew = await client.ReadAsync("/api/me");
        Assert.NotEqual(id, (await anew.ReadAsync<Me>(HttpStatusCode.OK)).Id);
        Assert.Equal(4000, await client.BalanceAsync());
    }

    [Fact]
    public async Task Account_ThatWasNeverUsed_CannotBeOpenedByOneWhoHasLeft()
    {
        using var user = await system.NewUserAsync();
        using var left = await LeaveAsync(user.Client, ApiClient.Password);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);
        using var refused = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 1 });
        await AssertShutOutAsync(refused, HttpStatusCode.Conflict);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Admin_WhoHasLeft_CanDoNothingMoreThoughTheTokenLives()
    {
        await using var own = new AppHostFixture();
        await own.InitializeAsync();
        using var admin = await own.AdminAsync();
        using var user = await own.NewUserAsync();
        Assert.Equal(4000, await user.Client.BalanceAsync());
        using var left = await LeaveAsync(admin, ApiClient.Password);
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);
        using var seen = await user.Client.ReadAsync("/api/me");
        var id = (await seen.ReadAsync<Me>(HttpStatusCode.OK)).Id;
        using var refused = await admin.PostAsync(
            "/api/tokens/credit", new { user = id, amount = 1, reason = "on my way out" });
        await AssertShutOutAsync(refused, HttpStatusCode.Forbidden);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    /// <summary>By the gateway, or, as long as that has not heard of it, by the account.</summary>
    private static async Task AssertShutOutAsync(HttpResponseMessage refused, HttpStatusCode byAccount) => Assert.Equal(
        refused.StatusCode == byAccount ? "account_closed" : "session_ended",
        (await refused.ProblemAsync(
            refused.StatusCode == byAccount ? byAccount : HttpStatusCode.Unauthorized)).Code);

    [Fact]
    public async Task Password_Changed_IsTheOneInUseAndEndsTheLogin()
    {
        using var user = await system.NewUserAsync();
        using var changed = await user.Client.PostAsync(
            "/api/password", new { old = ApiClient.Password, @new = "another password" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        using var refreshed = await user.Client.PostAsync("/api/token/refresh", new { refresh = user.Tokens.Refresh });
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        await user.Client.LoginAsync(user.Name, "another password");
    }

    [Fact]
    public async Task Login_After20WrongPasswords_IsLockedWhateverAddressTheClientMakesUp()
    {
        using var user = await system.NewUserAsync();
        using var client = system.CreateClient();
        var answers = new List<HttpStatusCode>();
        for (var n = 0; n < 20; n++)
        {
            client.DefaultRequestHeaders.Remove("X-Forwarded-For");
            client.DefaultRequestHeaders.Add("X-Forwarded-For", $"203.0.113.{n}");
            using var response = await client.PostAsync(
                "/api/login", new { username = user.Name, password = "a wrong password" });
            answers.Add(response.StatusCode);
            if (response.StatusCode is HttpStatusCode.TooManyRequests)
            {
                Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 900);
            }
        }

        Assert.Equal(Enumerable.Repeat(HttpStatusCode.Unauthorized, 5), answers.Take(5));
        Assert.Contains(HttpStatusCode.TooManyRequests, answers);
    }

    [Theory]
    [InlineData("ledger", "PUT", "/accounts/1/closed")]
    [InlineData("chat", "DELETE", "/users/1/chats")]
    public async Task Deletion_AtAnotherServiceWithAUsersToken_Is403(string service, string method, string path)
    {
        using var user = await system.NewUserAsync();
        using var client = system.App.CreateHttpClient(service);
        client.DefaultRequestHeaders.Authorization = user.Client.DefaultRequestHeaders.Authorization;
        using var request = new HttpRequestMessage(new(method), path);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken)
            .WaitAsync(AppHostFixture.StartTimeout, TestContext.Current.CancellationToken);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
    }

    private static Task<HttpResponseMessage> LeaveAsync(HttpClient client, string password)
    {
        var request = new HttpRequestMessage(HttpMethod.Delete, "/api/me")
        {
            Content = JsonContent.Create(new { password }),
        };
        var cancellationToken = TestContext.Current.CancellationToken;
        return client.SendAsync(request, cancellationToken).WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
    }

    private sealed record Me(long Id, string Username);
}
