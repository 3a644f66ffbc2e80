using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.Hosting;

/// <summary>How a service proves to Identity.Service who it is (RFC 6749, 4.4).</summary>
public sealed class ClientCredentials
{
    /// <summary>The service's client id.</summary>
    public string ClientId { get; set; } = "";

    /// <summary>Its secret; the same as <c>Clients:ID:Secret</c> of Identity.Service.</summary>
    public string ClientSecret { get; set; } = "";

    /// <summary>What its tokens allow.</summary>
    public string Scope { get; set; } = "";
}

/// <summary>The token with which a service calls another, fetched when it is needed.</summary>
/// <param name="clients">The way to Identity.Service, under the name <see cref="IdentityClient"/>.</param>
/// <param name="options">Who the service is.</param>
/// <param name="time">The time.</param>
public sealed class ClientToken(
    IHttpClientFactory clients, IOptions<ClientCredentials> options, TimeProvider time) : IDisposable
{
    /// <summary>The HTTP client that reaches Identity.Service.</summary>
    public const string IdentityClient = "identity";

    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _fetching = new(1);
    private volatile Held? _held;

    /// <summary>A token that is good for a while.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The access token.</returns>
    /// <exception cref="HttpRequestException">Identity.Service gives none.</exception>
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
    /// <param name="token">The token that was refused.</param>
    public void Forget(string token)
    {
        if (_held is { } held && held.Token == token)
        {
            Interlocked.CompareExchange(ref _held, null, held);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _fetching.Dispose();

    private string? Current() => _held is { } held && time.GetUtcNow() < held.GoodUntil ? held.Token : null;

    private async Task<Held> FetchAsync(CancellationToken cancellationToken)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = options.Value.ClientId,
            ["client_secret"] = options.Value.ClientSecret,
            ["scope"] = options.Value.Scope,
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

/// <summary>Sends each request with the service's token. A token that is refused is forgotten.</summary>
/// <param name="token">The token.</param>
public sealed class ClientCredentialsHandler(ClientToken token) : DelegatingHandler
{
    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var current = await token.GetAsync(cancellationToken);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", current);
        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.Unauthorized)
        {
            token.Forget(current);
        }

        return response;
    }
}

/// <summary>Lets HTTP clients sign in as a service.</summary>
public static class ClientCredentialsExtensions
{
    /// <summary>
    /// Sends each request of a client with a token of this service. A missing secret stops the service at start.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="section">The section of the configuration that has the <c>ClientSecret</c>.</param>
    /// <param name="clientId">The service's client id.</param>
    /// <param name="scope">What its tokens have to allow.</param>
    /// <returns>The same client.</returns>
    public static IHttpClientBuilder AddClientCredentials(
        this IHttpClientBuilder client, string section, string clientId, string scope)
    {
        client.Services.AddOptions<ClientCredentials>()
            .Configure(credentials => (credentials.ClientId, credentials.Scope) = (clientId, scope))
            .BindConfiguration(section)
            .Validate(
                credentials => credentials.ClientSecret.Length > 0,
                $"'{section}:ClientSecret' is missing: set it to Identity.Service's 'Clients:{clientId}:Secret'.")
            .ValidateOnStart();
        client.Services.AddSingleton<ClientToken>();
        client.Services.AddTransient<ClientCredentialsHandler>();
        client.Services.AddHttpClient(ClientToken.IdentityClient, http => http.BaseAddress = new("http://identity"));
        return client.AddHttpMessageHandler<ClientCredentialsHandler>();
    }
}
