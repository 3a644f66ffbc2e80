using System.Net;
using System.Net.Http.Json;

namespace Gateway.Tests;

/// <summary>Which call goes where, and which goes nowhere.</summary>
public sealed class RouteTests(GatewayFixture system)
{
    private readonly HttpClient _client = system.Gateway.CreateClient();
    private readonly string _query = $"?test={Guid.NewGuid():N}";

    [Theory]
    [InlineData("POST", "/api/register", "identity")]
    [InlineData("POST", "/api/login", "identity")]
    [InlineData("POST", "/api/login/", "identity")]
    [InlineData("POST", "/api/token/refresh", "identity")]
    [InlineData("POST", "/api/logout", "identity")]
    [InlineData("POST", "/api/password", "identity")]
    [InlineData("GET", "/api/me", "identity")]
    [InlineData("GET", "/api/me/", "identity")]
    [InlineData("DELETE", "/api/me", "identity")]
    [InlineData("POST", "/api/keys", "identity")]
    [InlineData("GET", "/api/keys", "identity")]
    [InlineData("GET", "/api/keys/", "identity")]
    [InlineData("PATCH", "/api/keys/1", "identity")]
    [InlineData("DELETE", "/api/keys/1", "identity")]
    [InlineData("POST", "/api/chat", "chat")]
    [InlineData("GET", "/api/chat", "chat")]
    [InlineData("GET", "/api/chat/", "chat")]
    [InlineData("GET", "/api/chat/1", "chat")]
    [InlineData("GET", "/api/chat/export", "chat")]
    [InlineData("GET", "/api/usage", "chat")]
    [InlineData("DELETE", "/api/chat", "chat")]
    [InlineData("DELETE", "/api/chat/1", "chat")]
    [InlineData("GET", "/api/conversations", "chat")]
    [InlineData("PATCH", "/api/conversations/018f0000-0000-7000-8000-000000000001", "chat")]
    [InlineData("DELETE", "/api/conversations/018f0000-0000-7000-8000-000000000001/", "chat")]
    [InlineData("POST", "/api/v1/chat/completions", "chat")]
    [InlineData("GET", "/api/v1/models", "chat")]
    [InlineData("GET", "/api/v1/models/mock", "chat")]
    [InlineData("GET", "/api/tokens", "ledger")]
    [InlineData("GET", "/api/tokens/", "ledger")]
    [InlineData("POST", "/api/tokens/deduct", "ledger")]
    [InlineData("GET", "/api/tokens/history", "ledger")]
    [InlineData("GET", "/api/tokens/keys", "ledger")]
    [InlineData("POST", "/api/tokens/credit", "ledger")]
    public async Task Call_OfTheApi_ReachesItsServiceOnceUnchanged(string method, string path, string service)
    {
        var token = system.Issuer.CreateToken();
        using var response = await _client.CallAsync(method, path + _query, token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var reached = Assert.Single(system.Reached(_query));
        Assert.Equal((service, new ReachedRequest(method, path, _query, $"Bearer {token}")), reached);
    }

    [Theory]
    [InlineData("/api/register")]
    [InlineData("/api/login")]
    [InlineData("/api/token/refresh")]
    [InlineData("/api/logout")]
    public async Task Call_ThatNeedsNoToken_ReachesIdentityWithoutOne(string path)
    {
        using var response = await _client.CallAsync("POST", path + _query);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("identity", Assert.Single(system.Reached(_query)).Service);
    }

    [Theory]
    [InlineData("GET", "/nothing")]
    [InlineData("GET", "/api")]
    [InlineData("GET", "/api/nothing")]
    [InlineData("GET", "/api/tokensx")]
    [InlineData("GET", "/api/chatx")]
    [InlineData("GET", "/api/conversationsx")]
    [InlineData("DELETE", "/users/1/chats")]
    [InlineData("GET", "/api/v2/models")]
    [InlineData("POST", "/api/login/x")]
    [InlineData("GET", "/api/me/x")]
    [InlineData("GET", "/api/men")]
    [InlineData("GET", "/api/keysx")]
    [InlineData("PUT", "/accounts/1/closed")]
    [InlineData("POST", "/connect/token")]
    [InlineData("POST", "/connect/revocation")]
    [InlineData("GET", "/.well-known/jwks")]
    [InlineData("PUT", "/charges/018f0000-0000-7000-8000-000000000001")]
    [InlineData("PUT", "/api/chat/../../charges/018f0000-0000-7000-8000-000000000001")]
    [InlineData("PUT", "/api/tokens/%2e%2e/%2e%2e/charges/018f0000-0000-7000-8000-000000000001")]
    public async Task Path_ThatIsNoCallOfTheApi_Is404AndReachesNobody(string method, string path)
    {
        using var response = await _client.CallAsync(method, path + _query, system.Issuer.CreateToken());
        await response.ProblemAsync(HttpStatusCode.NotFound);
        Assert.Empty(system.Reached(_query));
    }

    [Theory]
    [InlineData("GET", "/api/register")]
    [InlineData("GET", "/api/login")]
    [InlineData("PUT", "/api/token/refresh")]
    [InlineData("DELETE", "/api/logout")]
    [InlineData("GET", "/api/password")]
    [InlineData("POST", "/api/me")]
    [InlineData("PUT", "/api/keys/1")]
    [InlineData("POST", "/")]
    public async Task Method_ThatACallDoesNotHave_Is405AndReachesNobody(string method, string path)
    {
        using var response = await _client.CallAsync(method, path + _query, system.Issuer.CreateToken());
        await response.ProblemAsync(HttpStatusCode.MethodNotAllowed);
        Assert.Empty(system.Reached(_query));
    }

    [Fact]
    public async Task Head_WhereThereIsNoGet_Is405AndSaysWhatThereIs()
    {
        using var response = await _client.CallAsync("HEAD", "/api/login");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(["POST"], response.Content.Headers.Allow);
    }

    [Fact]
    public async Task Landing_ForPrograms_LinksToWhatIsThere()
    {
        using var response = await _client.CallAsync("GET", "/");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var landing = await response.Content.ReadFromJsonAsync<Page>(TestContext.Current.CancellationToken).Soon();
        Assert.Equal("AspireChat", landing!.Name);
        Assert.Equal(["health", "openapi", "reference"], landing.Links.Keys.Order());
        foreach (var link in landing.Links.Values)
        {
            using var answer = await _client.CallAsync("GET", link);
            Assert.NotEqual(HttpStatusCode.NotFound, answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/health")]
    [InlineData("/api/tokens")]
    [InlineData("/api/chat/export")]
    [InlineData("/api/v1/models")]
    public async Task Head_WhereThereIsGet_IsThatWithoutItsBody(string path)
    {
        using var response = await _client.CallAsync("HEAD", path + _query, system.Issuer.CreateToken());
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.All(system.Reached(_query), reached => Assert.Equal("GET", reached.Request.Method));
        Assert.Empty(await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken).Soon());
    }

    [Fact]
    public async Task Landing_ForBrowsers_IsAPageThatLoadsNothing()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken).Soon();
        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        Assert.Contains("default-src 'none'", response.Headers.GetValues("Content-Security-Policy").Single());
        var page = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken).Soon();
        Assert.All(["/scalar", "/openapi/v1.json", "/health"], link => Assert.Contains($"href=\"{link}\"", page));
        Assert.DoesNotContain("://", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/health")]
    [InlineData("/alive")]
    public async Task Health_OfTheGateway_IsItsOwn(string path)
    {
        using var response = await _client.CallAsync("GET", path + _query);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Empty(system.Reached(_query));
    }

    private sealed record Page(string Name, string Description, Dictionary<string, string> Links);
}
