using System.Net;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>POST /connect/introspect says of a token whether it is good (RFC 7662), to clients with a secret.</summary>
public sealed class IntrospectionTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AccessToken_OfAUser_IsActiveUntilTheFamilyEnds()
    {
        var tokens = await _client.NewUserAsync();
        var answer = await IntrospectAsync(tokens.Access);
        Assert.True(answer.GetProperty("active").GetBoolean());
        Assert.Equal(tokens.Claims.GetProperty("sub").GetString(), answer.GetProperty("sub").GetString());
        Assert.Equal(tokens.Claims.GetProperty("exp").GetInt64(), answer.GetProperty("exp").GetInt64());
        Assert.Equal("http://identity/", answer.GetProperty("iss").GetString());
        Assert.Equal("aspirechat", answer.GetProperty("aud").GetString());
        Assert.Equal("api", answer.GetProperty("scope").GetString());
        Assert.Equal("Bearer", answer.GetProperty("token_type").GetString());

        using var loggedOut = await _client.LogOutAsync(tokens.Refresh);
        Assert.Equal(HttpStatusCode.NoContent, loggedOut.StatusCode);
        await AssertInactiveAsync(tokens.Access);
        await AssertInactiveAsync(tokens.Refresh);
    }

    [Fact]
    public async Task RefreshToken_OfAUser_IsActiveUntilItIsRevoked()
    {
        var tokens = await _client.NewUserAsync();
        Assert.True((await IntrospectAsync(tokens.Refresh)).GetProperty("active").GetBoolean());
        using var revoked = await PostAsync("/connect/revocation", ("token", tokens.Refresh));
        Assert.Equal(HttpStatusCode.OK, revoked.StatusCode);
        await AssertInactiveAsync(tokens.Refresh);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("a.b.c")]
    [InlineData("eyJhbGciOiJub25lIn0.e30.")]
    public async Task Token_ThatIsNone_IsInactive(string token) => await AssertInactiveAsync(token);

    [Theory]
    [InlineData(null, null)]
    [InlineData("chat", null)]
    [InlineData("chat", "")]
    [InlineData("chat", "wrong secret")]
    [InlineData("nobody", IdentityServer.ChatSecret)]
    [InlineData(null, IdentityServer.ChatSecret)]
    public async Task Caller_WithoutAClientsSecret_IsToldNothing(string? id, string? secret)
    {
        var tokens = await _client.NewUserAsync();
        var form = new List<(string, string)> { ("token", tokens.Access) };
        form.AddRange(id is null ? [] : [("client_id", id)]);
        form.AddRange(secret is null ? [] : [("client_secret", secret)]);
        using var response = await PostAsync("/connect/introspect", [.. form]);
        Assert.True((int)response.StatusCode is 400 or 401, $"{response}");
        var answer = await response.ReadAsync<JsonElement>(response.StatusCode);
        Assert.False(answer.TryGetProperty("active", out _), $"{answer}");
        Assert.True(answer.TryGetProperty("error", out _), $"{answer}");
    }

    [Fact]
    public async Task Discovery_OfTheService_NamesTheEndpoint()
    {
        using var response = await _client.GetAsync("/.well-known/openid-configuration", CancellationToken).Soon();
        var document = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        var endpoint = document.GetProperty("introspection_endpoint").GetString();
        Assert.EndsWith("/connect/introspect", endpoint, StringComparison.Ordinal);
        Assert.DoesNotContain(
            document.GetProperty("introspection_endpoint_auth_methods_supported").EnumerateArray(),
            method => method.GetString() == "none");
    }

    private async Task AssertInactiveAsync(string token)
    {
        var answer = await IntrospectAsync(token);
        Assert.Equal("""{"active":false}""", JsonSerializer.Serialize(answer));
    }

    private Task<JsonElement> IntrospectAsync(string token) => _client.IntrospectAsync(token);

    private Task<HttpResponseMessage> PostAsync(string path, params (string Name, string Value)[] form) =>
        _client.PostFormAsync(path, form);
}
