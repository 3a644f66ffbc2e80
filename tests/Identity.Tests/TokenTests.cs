using System.Net;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests;

/// <summary>Access tokens, and what other services need to check them.</summary>
public sealed class TokenTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AccessToken_OfAUser_SaysWhoAndForWhatAndForHowLong()
    {
        var name = IdentityApi.NewName();
        using var registered = await _client.RegisterAsync(name);
        var (header, claims) = Jwt.Read((await _client.LogInAsync(name)).Access);

        Assert.Equal("RS256", header.GetProperty("alg").GetString());
        Assert.Equal("at+jwt", header.GetProperty("typ").GetString());
        Assert.Equal("http://identity/", claims.GetProperty("iss").GetString());
        Assert.Equal("aspirechat", claims.GetProperty("aud").GetString());
        Assert.Equal("api", claims.GetProperty("scope").GetString());
        Assert.Equal(name, claims.GetProperty("name").GetString());
        Assert.Matches("^[1-9][0-9]*$", claims.GetProperty("sub").GetString());
        Assert.Equal(3600, claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64());
    }

    [Fact]
    public async Task AccessToken_OfOneReplica_IsSignedWithTheKeyThatAnotherPublishes()
    {
        var tokens = await _client.NewUserAsync();
        using var replica = identity.Strict.CreateClient();
        var keys = new JsonWebKeySet(
            await replica.GetStringAsync("/.well-known/jwks", CancellationToken).Soon()).GetSigningKeys();
        var rules = new TokenValidationParameters
        {
            ValidIssuer = "http://identity/",
            ValidAudience = "aspirechat",
            ValidTypes = ["at+jwt"],
            IssuerSigningKeys = keys,
        };

        var handler = new JsonWebTokenHandler();
        Assert.True((await handler.ValidateTokenAsync(tokens.Access, rules).Soon()).IsValid);
        var forged = tokens.Access[..^10] + (tokens.Access[^10] == 'A' ? 'B' : 'A') + tokens.Access[^9..];
        Assert.False((await handler.ValidateTokenAsync(forged, rules).Soon()).IsValid);
    }

    [Fact]
    public async Task Discovery_OfTheService_NamesItsIssuerKeysAndTokenEndpoint()
    {
        using var response = await _client.GetAsync("/.well-known/openid-configuration", CancellationToken).Soon();
        var document = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal("http://identity/", document.GetProperty("issuer").GetString());
        Assert.EndsWith("/connect/token", document.GetProperty("token_endpoint").GetString(), StringComparison.Ordinal);

        using var keys = await _client.GetAsync(document.GetProperty("jwks_uri").GetString(), CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.OK, keys.StatusCode);
    }

    [Fact]
    public async Task Jwks_OfTheService_HoldsPublicSigningKeysOnly()
    {
        using var response = await _client.GetAsync("/.well-known/jwks", CancellationToken).Soon();
        var jwks = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        var key = Assert.Single(jwks.GetProperty("keys").EnumerateArray());
        Assert.Equal(("RSA", "sig", "RS256"), (Text("kty"), Text("use"), Text("alg")));
        // RFC 7518, 6.3.2 and 6.4.1: the private parts.
        Assert.DoesNotContain(
            key.EnumerateObject(), field => field.Name is "d" or "p" or "q" or "dp" or "dq" or "qi" or "k");

        string? Text(string name) => key.GetProperty(name).GetString();
    }
}
