using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;

namespace Chat.Service.Ledger;

/// <summary>
/// Sends each request with a client-credentials token (RFC 6749, 4.4) of this service, fetched when the first is needed
/// and again shortly before it ends. A token that is refused is forgotten.
/// </summary>
internal sealed class ServiceTokenHandler(ServiceTokens tokens) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var token = await tokens.GetAsync(cancellationToken);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.Unauthorized)
        {
            tokens.Forget(token);
        }

        return response;
    }
}

/// <summary>This service's current token.</summary>
internal sealed class ServiceTokens(
    IHttpClientFactory clients, IOptions<LedgerClientOptions> options, TimeProvider time) : IDisposable
{
    /// <summary>The HTTP client that reaches Identity.Service.</summary>
    public const string IdentityClient = "identity";

    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _fetching = new(1);
    private volatile Held? _held;

    /// <summary>A token that is good for a while.</summary>
    public async Task<string> GetAsync(CancellationToken cancellationToken)
    {
        if (Current() is { } current)
        {
            return current;
        }

        // One fetches, the others wait for what it gets.
        await _fetching.WaitAsync(cancellationToken);
        try
        {
            return Current() ?? (_held = await FetchAsync(cancellationToken)).Token;
        }
        finally
        {
            _fetching.Release();
        }
    }

    /// <summary>Lets the next call fetch a new one.</summary>
    public void Forget(string token)
    {
        if (_held is { } held && held.Token == token)
        {
            Interlocked.CompareExchange(ref _held, null, held);
        }
    }

    public void Dispose() => _fetching.Dispose();

    private string? Current() => _held is { } held && time.GetUtcNow() < held.GoodUntil ? held.Token : null;

    private async Task<Held> FetchAsync(CancellationToken cancellationToken)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = options.Value.ClientId,
            ["client_secret"] = options.Value.ClientSecret,
            ["scope"] = Tokens.LedgerScope,
        });
        using var response = await clients.CreateClient(IdentityClient)
            .PostAsync("connect/token", form, cancellationToken);
        response.EnsureSuccessStatusCode();
        var answer = await response.Content.ReadFromJsonAsync<TokenAnswer>(cancellationToken);
        return new Held(answer!.AccessToken, time.GetUtcNow() + TimeSpan.FromSeconds(answer.ExpiresIn) - Margin);
    }

    private sealed record Held(string Token, DateTimeOffset GoodUntil);

    private sealed record TokenAnswer(
        [property: JsonPropertyName("access_token")] string AccessToken,
        [property: JsonPropertyName("expires_in")] int ExpiresIn);
}
