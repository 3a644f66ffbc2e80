using System.Net;
using System.Text.Json;

namespace AspireChat.Tests;

/// <summary>The README's journey: register, login, chat, tokens.</summary>
public sealed class JourneyTests(AppHostFixture system)
{
    [Fact]
    public async Task Journey_RegisterLoginChatTokens_AnswersAsTheReadmeSays()
    {
        using var client = system.CreateClient();
        var name = $"journey-{Guid.NewGuid():N}";

        using var registered = await client.PostAsync(
            "/api/register", new { username = name, password = ApiClient.Password });
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        Assert.Equal(
            """{"message":"User registered successfully"}""",
            await registered.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        var tokens = await client.LoginAsync(name, ApiClient.Password);
        Assert.InRange(tokens.ExpiresIn, 3500, 3600);
        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);

        using var chatted = await client.PostAsync("/api/chat", new { message = "Hello AI" });
        var chat = await chatted.ReadAsync<JsonElement>(HttpStatusCode.Created);
        Assert.Equal(
            ["id", "user", "message", "response", "timestamp", "cost", "tokens"],
            chat.EnumerateObject().Select(property => property.Name));
        Assert.Equal("Hello AI", chat.GetProperty("message").GetString());
        Assert.Equal("AI Response to: Hello AI", chat.GetProperty("response").GetString());
        Assert.Equal(100, chat.GetProperty("cost").GetInt64());
        Assert.Equal(3900, chat.GetProperty("tokens").GetInt64());
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$", chat.GetProperty("timestamp").GetString());

        Assert.Equal(3900, await client.BalanceAsync());
    }

    [Theory]
    [InlineData("/api/tokens/")]
    [InlineData("/api/chat/")]
    public async Task TrailingSlash_OnAnyPath_IsTheSameCall(string path)
    {
        using var user = await system.NewUserAsync();
        using var response = await user.Client.ReadAsync(path);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Chats_Listed_AreNewestFirstInPages()
    {
        using var user = await system.NewUserAsync();
        for (var n = 1; n <= 3; n++)
        {
            using var sent = await user.Client.PostAsync("/api/chat", new { message = $"message {n}" });
            Assert.Equal(HttpStatusCode.Created, sent.StatusCode);
        }

        using var first = await user.Client.ReadAsync("/api/chat?limit=2");
        var page = await first.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK);
        Assert.Equal(["message 3", "message 2"], page.Select(chat => chat.Message));
        var link = Assert.Single(first.Headers.GetValues("Link"));
        Assert.EndsWith("; rel=\"next\"", link, StringComparison.Ordinal);

        using var second = await user.Client.ReadAsync(link[1..link.IndexOf('>', StringComparison.Ordinal)]);
        Assert.Equal("message 1", Assert.Single(await second.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK)).Message);
        Assert.False(second.Headers.Contains("Link"), "The last page has no next one.");
    }

    [Fact]
    public async Task RefreshToken_Used_GivesTokensThatWork()
    {
        using var user = await system.NewUserAsync();
        using var client = system.CreateClient();
        using var refreshed = await client.PostAsync("/api/token/refresh", new { refresh = user.Tokens.Refresh });
        var tokens = await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        Assert.NotEqual(user.Tokens.Refresh, tokens.Refresh);

        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
        Assert.Equal(4000, await client.BalanceAsync());
    }

    [Fact]
    public async Task Logout_OfARefreshToken_EndsItsFamily()
    {
        using var user = await system.NewUserAsync();
        using var loggedOut = await user.Client.PostAsync("/api/logout", new { refresh = user.Tokens.Refresh });
        Assert.Equal(HttpStatusCode.NoContent, loggedOut.StatusCode);

        using var refused = await user.Client.PostAsync("/api/token/refresh", new { refresh = user.Tokens.Refresh });
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }
}
