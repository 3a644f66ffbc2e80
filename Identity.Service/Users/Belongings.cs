using System.Net.Http.Headers;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>What users who leave have in other services.</summary>
/// <param name="http">Finds the services.</param>
/// <param name="server">The keys.</param>
/// <param name="auth">The issuer.</param>
/// <param name="clock">Dates tokens.</param>
internal sealed class Belongings(
    HttpClient http, IOptionsMonitor<OpenIddictServerOptions> server, AuthOptions auth, TimeProvider clock)
{
    private const string ClientId = "identity";

    private static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Closes the account in the ledger, whose history stays, and then erases the chats, which get no more. Doing it
    /// again changes nothing, so the calls are sent again when they fail.
    /// </summary>
    /// <param name="userId">Whose.</param>
    /// <param name="cancellationToken">Ends the wait. It may be done all the same.</param>
    /// <exception cref="HttpRequestException">A service failed.</exception>
    public async Task GiveUpAsync(long userId, CancellationToken cancellationToken)
    {
        await SendAsync(HttpMethod.Put, $"http://ledger/accounts/{userId}/closed", cancellationToken);
        await SendAsync(HttpMethod.Delete, $"http://chat/users/{userId}/chats", cancellationToken);
    }

    private async Task SendAsync(HttpMethod method, string address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address);
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
                [Claims.Scope] = Tokens.AccountsScope,
            },
            SigningCredentials = server.CurrentValue.SigningCredentials[0],
        });
    }
}
