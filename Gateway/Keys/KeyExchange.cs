using System.Net;
using System.Text.Json.Serialization;

namespace Gateway.Keys;

/// <summary>Exchanges API keys for access tokens, at Identity.Service.</summary>
/// <param name="http">Finds the service.</param>
internal sealed class KeyExchange(HttpClient http)
{
    private const string InvalidGrant = "invalid_grant"; // RFC 6749, 5.2

    /// <summary>Asks for a token.</summary>
    /// <returns>The token; null when the key is unknown or revoked.</returns>
    /// <exception cref="HttpRequestException">The service failed, and nothing is known of the key.</exception>
    public async Task<string?> ExchangeAsync(string key)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = ApiKeys.GrantType,
            [ApiKeys.Parameter] = key,
        });
        using var response = await http.PostAsync("connect/token", form);
        if (response.StatusCode is HttpStatusCode.BadRequest
            && await response.Content.ReadFromJsonAsync<TokenAnswer>() is { Error: InvalidGrant })
        {
            return null;
        }

        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<TokenAnswer>())?.AccessToken
            ?? throw new HttpRequestException("Identity.Service answered without a token.");
    }

    private sealed record TokenAnswer(
        [property: JsonPropertyName("access_token")] string? AccessToken, string? Error);
}
