using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Tests;

/// <summary>Without a good token no call gets past the gateway.</summary>
public sealed class AccessTests(GatewayFixture system)
{
    private readonly HttpClient _client = system.Gateway.CreateClient();
    private readonly string _query = $"?test={Guid.NewGuid():N}";

    [Theory]
    [InlineData("POST", "/api/chat")]
    [InlineData("GET", "/api/chat")]
    [InlineData("GET", "/api/chat/1")]
    [InlineData("DELETE", "/api/chat/1")]
    [InlineData("POST", "/api/password")]
    [InlineData("GET", "/api/me")]
    [InlineData("DELETE", "/api/me")]
    [InlineData("POST", "/api/keys")]
    [InlineData("GET", "/api/keys")]
    [InlineData("PATCH", "/api/keys/1")]
    [InlineData("DELETE", "/api/keys/1")]
    [InlineData("GET", "/api/tokens")]
    [InlineData("GET", "/api/tokens/")]
    [InlineData("POST", "/api/tokens/deduct")]
    [InlineData("GET", "/api/tokens/history")]
    [InlineData("POST", "/api/tokens/credit")]
    [InlineData("GET", "/API/TOKENS")]
    public async Task Call_WithoutAToken_Is401AndReachesNobody(string method, string path)
    {
        using var response = await _client.CallAsync(method, path + _query);
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        Assert.Empty(system.Reached(_query));
    }

    public static TheoryData<string> BadTokens() =>
    [
        "expired", "of another issuer", "for another audience", "of another type", "of another key",
        "signed with a secret", "unsigned", "nonsense",
    ];

    [Theory]
    [MemberData(nameof(BadTokens))]
    public async Task Call_WithABadToken_Is401AndReachesNobody(string token)
    {
        using var response = await _client.CallAsync("GET", "/api/tokens" + _query, CreateBad(token));
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Empty(system.Reached(_query));
    }

    [Theory]
    [InlineData("ledger")]
    [InlineData("API")]
    [InlineData("apis")]
    [InlineData("")]
    public async Task Call_WithoutTheUsersScope_Is403AndReachesNobody(string scope)
    {
        var token = system.Issuer.CreateToken(token => token.Claims["scope"] = scope);
        using var response = await _client.CallAsync("GET", "/api/tokens" + _query, token);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
        Assert.Empty(system.Reached(_query));
    }

    private string CreateBad(string kind)
    {
        using var rsa = RSA.Create(2048);
        return kind switch
        {
            // More than the clock skew of 30 s.
            "expired" => system.Issuer.CreateToken(token => token.Expires = DateTime.UtcNow.AddMinutes(-1)),
            "of another issuer" => system.Issuer.CreateToken(token => token.Issuer = "http://identity"),
            "for another audience" => system.Issuer.CreateToken(token => token.Audience = "another"),
            "of another type" => system.Issuer.CreateToken(token => token.TokenType = "JWT"),
            "of another key" => system.Issuer.CreateToken(token => token.SigningCredentials =
                new(new RsaSecurityKey(rsa.ExportParameters(true)) { KeyId = "test" }, SecurityAlgorithms.RsaSha256)),
            "signed with a secret" => system.Issuer.CreateToken(token => token.SigningCredentials =
                new(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(new string('k', 64))) { KeyId = "test" }, "HS256")),
            "unsigned" => system.Issuer.CreateToken(token => token.SigningCredentials = null),
            _ => kind,
        };
    }
}
