using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Tests;

/// <summary>Signs tokens as Identity.Service does, and serves what is needed to check them.</summary>
public sealed class TokenIssuer : IDisposable
{
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly RsaSecurityKey _key;

    public TokenIssuer() => _key = new RsaSecurityKey(_rsa) { KeyId = "test" };

    /// <summary>A good token of a user, changed in the way a test wants.</summary>
    internal string CreateToken(Action<SecurityTokenDescriptor>? change = null)
    {
        var token = new SecurityTokenDescriptor
        {
            Issuer = "http://identity/",
            Audience = "aspirechat",
            TokenType = "at+jwt",
            Expires = DateTime.UtcNow.AddHours(1),
            Claims = new Dictionary<string, object> { ["sub"] = "1", ["scope"] = "api" },
            SigningCredentials = new(_key, SecurityAlgorithms.RsaSha256),
        };
        change?.Invoke(token);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    /// <summary>Answers for discovery and keys; what else is asked is 200 without a body.</summary>
    internal Task ServeAsync(HttpContext context)
    {
        var key = _rsa.ExportParameters(includePrivateParameters: false);
        return context.Request.Path.Value switch
        {
            "/.well-known/openid-configuration" => context.Response.WriteAsJsonAsync(new
            {
                issuer = "http://identity/",
                jwks_uri = "http://identity/.well-known/jwks",
            }),
            "/.well-known/jwks" => context.Response.WriteAsJsonAsync(new
            {
                keys = new[]
                {
                    new
                    {
                        kty = "RSA", use = "sig", kid = _key.KeyId,
                        n = Base64UrlEncoder.Encode(key.Modulus), e = Base64UrlEncoder.Encode(key.Exponent),
                    },
                },
            }),
            "/connect/token" when context.Request.Form["client_id"] == "gateway" =>
                context.Response.WriteAsJsonAsync(new { access_token = CreateToken(), expires_in = 3600 }),
            "/sessions/ended" => context.Response.WriteAsJsonAsync(new { sessions = Ended }),
            _ => Task.CompletedTask,
        };
    }

    /// <summary>The sessions that have ended.</summary>
    internal IReadOnlyList<long> Ended { get; set; } = [];

    public void Dispose() => _rsa.Dispose();
}
