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
    private const int MaxTokens = 20;

    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly StoppedClock _clock = new();
    private readonly CheckedTokens _tokens;
    private readonly TokenValidationParameters _rules;
    private int _checks;

    public CheckedTokensTests()
    {
        _tokens = new CheckedTokens(_clock, MaxTokens);
        _rules = new TokenValidationParameters
        {
            ValidIssuer = "issuer",
            ValidAudience = "audience",
            ClockSkew = TimeSpan.FromSeconds(30),
            ConfigurationManager = Published(Key),
            LifetimeValidator = (_, _, _, _) => Interlocked.Increment(ref _checks) > 0, // Is asked with every check.
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
        for (var request = 0; request < 3; request++)
        {
            var claims = (await _tokens.ValidateTokenAsync(token, _rules).Soon()).ClaimsIdentity;
            Assert.Equal("7", claims.FindFirst("sub")?.Value);
            Assert.Null(claims.FindFirst("role"));
            claims.AddClaim(new Claim("role", "admin"));
        }
    }

    [Fact]
    public async Task Tokens_MoreThanAreRemembered_AreGoodAllTheSame()
    {
        for (var n = 0; n < 2 * (MaxTokens + 1); n++)
        {
            Assert.True(await IsGoodAsync(Token()));
            Assert.InRange(_tokens.Count, 0, MaxTokens);
        }

        // All have just been forgotten: there is room again.
        var token = Token();
        var checks = _checks;
        await IsGoodAsync(token);
        await IsGoodAsync(token);
        Assert.Equal(checks + 1, _checks);
    }

    [Fact]
    public async Task Tokens_OfManyRequestsAtOnce_AreGood()
    {
        string[] tokens = [.. Enumerable.Range(0, 3 * MaxTokens).Select(_ => Token())];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 20 * tokens.Length),
            TestContext.Current.CancellationToken,
            async (n, _) => Assert.True(await IsGoodAsync(tokens[n % tokens.Length])));
        Assert.InRange(_tokens.Count, 0, MaxTokens);
    }

    [Fact]
    public async Task Token_WhileNoKeysAreKnown_IsNotGood()
    {
        _rules.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
            "nowhere", new OpenIdConnectConfigurationRetriever(), new NoDocuments());
        var result = await _tokens.ValidateTokenAsync(Token(), _rules).Soon();
        Assert.False(result.IsValid);
        Assert.NotNull(result.Exception);
    }

    public void Dispose() => _rsa.Dispose();

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

    private sealed class NoDocuments : IDocumentRetriever
    {
        public Task<string> GetDocumentAsync(string address, CancellationToken cancel) =>
            throw new IOException("There is nobody.");
    }
}
