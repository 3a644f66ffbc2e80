using System.Net.Http.Headers;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>
/// The token with which this service calls others. It issues tokens: it need not ask itself for one with a secret.
/// </summary>
/// <param name="server">The keys.</param>
/// <param name="auth">The issuer.</param>
/// <param name="clock">Dates tokens.</param>
internal sealed class OwnToken(
    IOptionsMonitor<OpenIddictServerOptions> server, AuthOptions auth, TimeProvider clock)
{
    private const string ClientId = "identity";

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    private volatile Made? _made;

    /// <summary>
    /// The header for a call. A token serves for half its life, since to sign one takes longer than most calls.
    /// </summary>
    public AuthenticationHeaderValue Bearer()
    {
        var now = clock.GetUtcNow();
        var made = _made;
        if (made is null || now < made.At || now >= made.At + (Lifetime / 2))
        {
            _made = made = new(Create(now.UtcDateTime), now);
        }

        return new("Bearer", made.Token);
    }

    private string Create(DateTime now) => new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        TokenType = JsonWebTokenTypes.AccessToken,
        Issuer = auth.Issuer.AbsoluteUri,
        Audience = Tokens.Audience,
        IssuedAt = now,
        NotBefore = now,
        Expires = now + Lifetime,
        Claims = new Dictionary<string, object>
        {
            [Claims.Subject] = ClientId,
            [Claims.Scope] = Tokens.AccountsScope,
        },
        SigningCredentials = server.CurrentValue.SigningCredentials[0],
    });

    private sealed record Made(string Token, DateTimeOffset At);
}
