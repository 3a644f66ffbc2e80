using System.Net;
using System.Text;

namespace Identity.Tests;

/// <summary>Users get the scope <c>api</c>, the chat service gets <c>ledger</c>, and nobody gets the other's.</summary>
public sealed class ScopeTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    [Fact]
    public async Task ChatClient_WithItsSecret_GetsALedgerTokenAndNoRefreshToken()
    {
        using var response = await _client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "chat"), ("client_secret", IdentityServer.ChatSecret),
            ("scope", "ledger"));
        var answer = await response.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        Assert.Null(answer.Refresh);
        var claims = Jwt.Read(answer.Access).Claims;
        Assert.Equal("chat", claims.GetProperty("sub").GetString());
        Assert.Equal("ledger", claims.GetProperty("scope").GetString());
        Assert.Equal("aspirechat", claims.GetProperty("aud").GetString());
    }

    [Fact]
    public async Task ChatClient_WithItsSecretAsBasicAuthentication_GetsALedgerToken()
    {
        using var client = identity.Lenient.CreateClient();
        var credentials = Convert.ToBase64String(
            Encoding.UTF8.GetBytes($"chat:{Uri.EscapeDataString(IdentityServer.ChatSecret)}"));
        client.DefaultRequestHeaders.Authorization = new("Basic", credentials);
        using var response = await client.OAuthAsync(("grant_type", "client_credentials"));
        var answer = await response.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        Assert.Equal("ledger", Jwt.Read(answer.Access).Claims.GetProperty("scope").GetString());
    }

    [Theory]
    [InlineData("chat", "wrong secret", "ledger", "invalid_client")]
    [InlineData("chat", "", "ledger", "invalid_request")]
    [InlineData("chat", "A SECRET OF THE TESTS", "ledger", "invalid_client")]
    [InlineData("nobody", IdentityServer.ChatSecret, "ledger", "invalid_client")]
    [InlineData("", "", "ledger", "invalid_request")]
    [InlineData("chat", IdentityServer.ChatSecret, "api", "invalid_request")]
    [InlineData("chat", IdentityServer.ChatSecret, "everything", "invalid_scope")]
    public async Task Client_ThatIsNotTheChatService_GetsNoToken(
        string id, string secret, string scope, string expected)
    {
        using var response = await _client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope));
        Assert.Equal(expected, await response.OAuthErrorAsync());
    }

    [Fact]
    public async Task Client_WithNulInItsId_IsUnknown()
    {
        using var client = identity.Lenient.CreateClient();
        client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("a\0b:secret"u8));
        using var response = await client.PostFormAsync(
            "/connect/token", ("grant_type", "client_credentials"), ("token", "a.b.c"));
        Assert.Equal("invalid_client", await response.OAuthErrorAsync());
    }

    [Theory]
    [InlineData("ledger")]
    [InlineData("api ledger")]
    [InlineData("")]
    public async Task User_WhoAsksForAScope_GetsApiOnly(string scope)
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        using var response = await _client.OAuthAsync(
            ("grant_type", "password"), ("username", name), ("password", IdentityApi.Password), ("scope", scope));
        var answer = await response.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        Assert.Equal("api", Jwt.Read(answer.Access).Claims.GetProperty("scope").GetString());

        // A wider scope at refresh is refused (RFC 6749, 6) or not given.
        using var refreshed = await _client.OAuthAsync(
            ("grant_type", "refresh_token"), ("refresh_token", answer.Refresh!), ("scope", "ledger"));
        Assert.Equal("invalid_grant", await refreshed.OAuthErrorAsync());
    }

    [Fact]
    public async Task User_WhoSmugglesFieldsIntoTheLogin_GetsApiOnly()
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        using var response = await _client.PostJsonAsync("/api/login?scope=ledger&grant_type=client_credentials", new
        {
            username = name,
            password = IdentityApi.Password,
            scope = "ledger",
            grant_type = "client_credentials",
            client_id = "chat",
        });
        var answer = await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        Assert.Equal("api", answer.Claims.GetProperty("scope").GetString());
        Assert.NotEqual("chat", answer.Claims.GetProperty("sub").GetString());
    }

    [Fact]
    public async Task User_WhoNamesTheChatClient_GetsNoToken()
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        using var withoutSecret = await _client.OAuthAsync(
            ("grant_type", "password"), ("username", name), ("password", IdentityApi.Password), ("client_id", "chat"));
        Assert.Equal("invalid_client", await withoutSecret.OAuthErrorAsync());
        using var withSecret = await _client.OAuthAsync(
            ("grant_type", "password"), ("username", name), ("password", IdentityApi.Password), ("client_id", "chat"),
            ("client_secret", IdentityServer.ChatSecret));
        Assert.Equal("unauthorized_client", await withSecret.OAuthErrorAsync());
    }

    [Fact]
    public async Task User_CalledLikeTheChatClient_IsANumberAllTheSame()
    {
        // Another test may have registered this name: the database is shared.
        using var registered = await _client.RegisterAsync("chat");
        var tokens = await _client.LogInAsync("chat");
        Assert.True(long.TryParse(tokens.Claims.GetProperty("sub").GetString(), out _));
    }

    [Theory]
    [InlineData("authorization_code")]
    [InlineData("urn:ietf:params:oauth:grant-type:device_code")]
    [InlineData("implicit")]
    public async Task Grant_ThatIsNotOffered_IsRefused(string grant)
    {
        using var response = await _client.OAuthAsync(("grant_type", grant), ("code", "c"), ("device_code", "d"));
        Assert.Equal("unsupported_grant_type", await response.OAuthErrorAsync());
    }
}
