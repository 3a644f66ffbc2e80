using System.Net.Http.Headers;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>What this service asks of Ledger.Service: to close the accounts of users who leave.</summary>
/// <param name="http">Finds the ledger.</param>
/// <param name="server">The keys.</param>
/// <param name="auth">The issuer.</param>
/// <param name="clock">Dates tokens.</param>
internal sealed class LedgerAccounts(
    HttpClient http, IOptionsMonitor<OpenIddictServerOptions> server, AuthOptions auth, TimeProvider clock)
{
    private const string ClientId = "identity";

    private static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Closes an account. Closing a closed one changes nothing, so the call is sent again when it fails.
    /// </summary>
    /// <param name="userId">Whose.</param>
    /// <param name="cancellationToken">Ends the wait. The account may be closed all the same.</param>
    /// <exception cref="HttpRequestException">The ledger failed.</exception>
    public async Task CloseAsync(long userId, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"accounts/{userId}/closed");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", CreateToken());
        using var response = await http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>A token of this service, which issues them: it need not ask itself with a secret.</summary>
    private string CreateToken()
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            TokenType = JsonWebTokenTypes.AccessToken,
            Issuer = auth.Issuer.AbsoluteUri,
            Audience = Tokens.Audience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now + TokenLifetime,
            Claims = new Dictionary<string, object>
            {
                [Claims.Subject] = ClientId,
                [Claims.Scope] = Tokens.LedgerScope,
            },
            SigningCredentials = server.CurrentValue.SigningCredentials[0],
        });
    }
}
