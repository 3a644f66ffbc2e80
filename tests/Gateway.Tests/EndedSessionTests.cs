using System.Net;

namespace Gateway.Tests;

/// <summary>Access tokens end with their session, within a few seconds.</summary>
public sealed class EndedSessionTests : IAsyncLifetime
{
    private readonly TokenIssuer _issuer = new();
    private Destination _identity = null!;
    private Destination _ledger = null!;
    private GatewayServer _gateway = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _identity = await Destination.StartAsync(_issuer.ServeAsync);
        _ledger = await Destination.StartAsync();
        _gateway = new GatewayServer(("identity", _identity.Address), ("ledger", _ledger.Address));
        await _gateway.StartAsync();
        _client = _gateway.CreateClient();
    }

    [Fact]
    public async Task AccessToken_OfASessionThatHasEnded_Is401AlsoWhileIdentityIsAway()
    {
        var (ended, other) = (TokenOf("7"), TokenOf("8"));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(ended));
        _issuer.Ended = [7];
        while (await CallAsync(ended) is HttpStatusCode.OK)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        using var response = await _client.CallAsync("GET", "/api/tokens", ended);
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        Assert.Equal(HttpStatusCode.OK, await CallAsync(other));

        await _identity.DisposeAsync(); // The last list counts.
        var asked = DateTime.UtcNow;
        while (DateTime.UtcNow - asked < TimeSpan.FromSeconds(5))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(ended));
            Assert.Equal(HttpStatusCode.OK, await CallAsync(other));
            await Task.Delay(250, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Without a list it would let all of them through, so it is given no requests.</summary>
    [Fact]
    public async Task Gateway_ThatHasNoList_IsNotHealthy()
    {
        await using var deaf = await Destination.StartAsync(context =>
            context.Request.Path == "/sessions/ended"
                ? Task.FromResult(context.Response.StatusCode = 403)
                : _issuer.ServeAsync(context));
        await using var gateway = new GatewayServer(("identity", deaf.Address), ("ledger", _ledger.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var health = await client.CallAsync("GET", "/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        using var alive = await client.CallAsync("GET", "/alive");
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
    }

    [Fact]
    public async Task Login_WithTheTokenOfASessionThatHasEnded_GoesThrough()
    {
        _issuer.Ended = [7];
        while (await CallAsync(TokenOf("7")) is HttpStatusCode.OK)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        using var response = await _client.CallAsync("POST", "/api/login", TokenOf("7"));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway.DisposeAsync();
        await _identity.DisposeAsync();
        await _ledger.DisposeAsync();
        _issuer.Dispose();
    }

    private string TokenOf(string session) => _issuer.CreateToken(token => token.Claims["sid"] = session);

    private async Task<HttpStatusCode> CallAsync(string token)
    {
        using var response = await _client.CallAsync("GET", "/api/tokens", token);
        return response.StatusCode;
    }
}
