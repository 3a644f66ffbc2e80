using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace ServiceDefaults.Tests;

/// <summary>A token is checked once, and remembering that changes no answer.</summary>
public sealed class CheckedTokensTests : IDisposable
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly StoppedClock _clock = new();
    private readonly CheckedTokens _tokens;
    private readonly TokenValidationParameters _rules;
    private int _checks;

    public CheckedTokensTests()
    {
        _tokens = new CheckedTokens(_clock);
        _rules = new TokenValidationParameters
        {
            ValidIssuer = "issuer",
            ValidAudience = "audience",
            ClockSkew = TimeSpan.FromSeconds(30),
            ConfigurationManager = Published(Key),
            LifetimeValidator = (_, _, _, _) => ++_checks > 0, // Is asked with every check.
        };
    }

    private RsaSecurityKey Key => new(_rsa) { KeyId = "key" };

    [Fact]
    public async Task Token_ThatComesAgain_IsNotCheckedAgain()
    {
        var token = Token();

        Assert.True(await IsGoodAsync(token));
        Assert.True(await IsGoodAsync(token));

        Assert.Equal(1, _checks);
    }

    [Fact]
    public async Task Token_AfterItsTime_IsCheckedAgain()
    {
        var token = Token();
        await IsGoodAsync(token);

        _clock.Advance(Lifetime + _rules.ClockSkew - TimeSpan.FromSeconds(1));
        await IsGoodAsync(token);
        Assert.Equal(1, _checks);

        _clock.Advance(TimeSpan.FromSeconds(1));
        await IsGoodAsync(token);
        Assert.Equal(2, _checks);
    }

    [Fact]
    public async Task Token_WhoseKeyIsPublishedNoMore_IsNotGoodAnyMore()
    {
        var token = Token();
        Assert.True(await IsGoodAsync(token));

        using var other = RSA.Create(2048);
        _rules.ConfigurationManager = Published(new RsaSecurityKey(other) { KeyId = "other" });

        Assert.False(await IsGoodAsync(token));
    }

    [Fact]
    public async Task Token_AlteredAfterItWasGood_IsNotGood()
    {
        var token = Token();
        Assert.True(await IsGoodAsync(token));

        Assert.False(await IsGoodAsync(token[..^10] + (token[^10] == 'A' ? 'B' : 'A') + token[^9..]));
    }

    [Fact]
    public async Task Token_ThatIsNotGood_IsNotRemembered()
    {
        Assert.False(await IsGoodAsync("none.at.all"));
        Assert.False(await IsGoodAsync(Token("another audience")));

        Assert.Equal(0, _tokens.Count);
    }

    [Fact]
    public async Task Claims_AddedToOneRequest_AreNotThoseOfTheNext()
    {
        var token = Token();
        await _tokens.ValidateTokenAsync(token, _rules);
        var one = await _tokens.ValidateTokenAsync(token, _rules);
        one.ClaimsIdentity.AddClaim(new Claim("role", "admin"));

        var next = await _tokens.ValidateTokenAsync(token, _rules);

        Assert.Equal("7", next.ClaimsIdentity.FindFirst("sub")?.Value);
        Assert.Null(next.ClaimsIdentity.FindFirst("role"));
    }

    [Fact]
    public async Task Tokens_MoreThanAreRemembered_AreGoodAllTheSame()
    {
        for (var n = 0; n < CheckedTokens.MaxTokens + 100; n++)
        {
            Assert.True(await IsGoodAsync(Token()));
        }

        Assert.InRange(_tokens.Count, 1, CheckedTokens.MaxTokens);
    }

    public void Dispose()
    {
        _tokens.Dispose();
        _rsa.Dispose();
    }

    private static StaticConfigurationManager<OpenIdConnectConfiguration> Published(SecurityKey key)
    {
        var configuration = new OpenIdConnectConfiguration { Issuer = "issuer" };
        configuration.SigningKeys.Add(key);
        return new(configuration) { UseLastKnownGoodConfiguration = false };
    }

    private string Token(string audience = "audience")
    {
        var now = _clock.GetUtcNow();
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = "issuer",
            Audience = audience,
            IssuedAt = now.UtcDateTime,
            Expires = (now + Lifetime).UtcDateTime,
            Claims = new Dictionary<string, object> { ["sub"] = "7", ["jti"] = Guid.NewGuid().ToString() },
            SigningCredentials = new SigningCredentials(Key, SecurityAlgorithms.RsaSha256),
        });
    }

    private async Task<bool> IsGoodAsync(string token) =>
        (await _tokens.ValidateTokenAsync(token, _rules).Soon()).IsValid;
}
