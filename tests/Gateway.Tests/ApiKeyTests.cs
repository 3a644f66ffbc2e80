using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gateway.Tests;

/// <summary>API keys are taken where access tokens are, and no service sees one.</summary>
public sealed class ApiKeyTests : IAsyncLifetime
{
    private readonly TokenIssuer _issuer = new();
    private readonly StoppedClock _clock = new();
    private readonly string _key = ApiKeys.Create();
    private readonly ConcurrentDictionary<string, string> _tokens = new();
    private Destination _identity = null!;
    private Destination _ledger = null!;
    private GatewayServer _gateway = null!;
    private HttpClient _client = null!;
    private int _failure;

    public async ValueTask InitializeAsync()
    {
        _identity = await Destination.StartAsync(ServeAsync);
        _ledger = await Destination.StartAsync();
        _gateway = new GatewayServer(
            services => services.AddSingleton<TimeProvider>(_clock),
            ("identity", _identity.Address), ("ledger", _ledger.Address));
        await _gateway.StartAsync();
        _client = _gateway.CreateClient();
    }

    [Theory]
    [InlineData("Bearer")]
    [InlineData("bearer")]
    public async Task Call_WithAKey_ReachesTheServiceWithItsToken(string scheme)
    {
        var token = Know(_key);
        using var response = await CallAsync(_key, scheme);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal($"Bearer {token}", Assert.Single(_ledger.Reached).Authorization);
    }

    [Fact]
    public async Task Calls_WithAKeyThatIsRevoked_EndAfter5Seconds()
    {
        Know(_key);
        using var before = await CallAsync(_key);
        Assert.Equal(HttpStatusCode.OK, before.StatusCode);
        _tokens.Clear();
        _clock.Advance(TimeSpan.FromSeconds(5));
        using var after = await CallAsync(_key);
        await after.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Equal("Bearer", Assert.Single(after.Headers.WwwAuthenticate).Scheme);
        Assert.Single(_ledger.Reached);
    }

    [Fact]
    public async Task Calls_50AtOnceWithAKey_AskOnce()
    {
        Know(_key);
        var responses = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => CallAsync(_key)));
        Assert.All(responses, response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
        Assert.Equal(1, Questions());
    }

    [Fact]
    public async Task Call_WithAnUnknownKey_Is401AndAsksOnce()
    {
        for (var n = 0; n < 3; n++)
        {
            using var response = await CallAsync(_key);
            await response.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        Assert.Equal(1, Questions());
        Assert.Empty(_ledger.Reached);
    }

    [Fact]
    public async Task Call_WithAnOversizedKey_Is401AndAsksNobody()
    {
        using var response = await CallAsync($"ac_{new string('A', 8_000)}");
        await response.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.Equal(0, Questions());
    }

    [Fact]
    public async Task Call_WhileIdentityFails_Is503AndWorksLater()
    {
        Know(_key);
        using var warm = await _client.CallAsync("GET", "/api/tokens", _issuer.CreateToken()); // Reads the JWKS.
        _failure = StatusCodes.Status500InternalServerError;
        using var response = await CallAsync(_key);
        await response.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        Assert.NotNull(response.Headers.RetryAfter?.Delta);
        _failure = 0;
        using var later = await CallAsync(_key);
        Assert.Equal(HttpStatusCode.OK, later.StatusCode);
    }

    /// <summary>Keys that nobody could check are not wrong ones.</summary>
    [Fact]
    public async Task Calls_WhileIdentityFails_DoNotCountAsWrongKeys()
    {
        Know(_key);
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("ledger", _ledger.Address)).With("Limits:WrongKey:Permits", "1");
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var warm = await client.CallAsync("GET", "/api/tokens", _issuer.CreateToken()); // Reads the JWKS.
        _failure = StatusCodes.Status500InternalServerError;
        for (var n = 0; n < 3; n++)
        {
            using var response = await client.CallAsync("GET", "/api/tokens", _key);
            await response.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        }

        _failure = 0;
        using var later = await client.CallAsync("GET", "/api/tokens", _key);
        Assert.Equal(HttpStatusCode.OK, later.StatusCode);
    }

    [Fact]
    public async Task Call_WhileIdentityIsGone_Is503()
    {
        await _identity.DisposeAsync();
        using var response = await CallAsync(_key);
        await response.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        Assert.NotNull(response.Headers.RetryAfter?.Delta);
        Assert.Empty(_ledger.Reached);
    }

    [Theory]
    [InlineData("POST", "/api/login", HttpStatusCode.OK)]
    [InlineData("GET", "/", HttpStatusCode.OK)]
    [InlineData("GET", "/nothing", HttpStatusCode.NotFound)]
    public async Task Call_ThatNeedsNoToken_DoesNotHaveTheKeyExchanged(
        string method, string path, HttpStatusCode expected)
    {
        using var response = await _client.CallAsync(method, path, _key);
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal(0, Questions());
    }

    [Theory]
    [InlineData("POST", "/api/keys")]
    [InlineData("GET", "/api/keys")]
    [InlineData("PATCH", "/api/keys/1")]
    [InlineData("DELETE", "/api/keys/1")]
    [InlineData("POST", "/api/password")]
    [InlineData("DELETE", "/api/me")]
    public async Task Call_ThatManagesTheAccount_Is403AndReachesNobody(string method, string path)
    {
        Know(_key);
        using var response = await _client.CallAsync(method, path, _key);
        await response.ProblemAsync(HttpStatusCode.Forbidden);
        Assert.DoesNotContain(_identity.Reached, reached => reached.Path == path);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway.DisposeAsync();
        await _identity.DisposeAsync();
        await _ledger.DisposeAsync();
        _issuer.Dispose();
    }

    private string Know(string key) => _tokens[key] = _issuer.CreateToken(token => token.Claims["key"] = 7);

    private int Questions() => _identity.Reached.Count(request => request.Path == "/connect/token");

    private Task<HttpResponseMessage> CallAsync(string key, string scheme = "Bearer")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/api/tokens");
        request.Headers.Authorization = new(scheme, key);
        return _client.SendAsync(request, TestContext.Current.CancellationToken).Soon();
    }

    /// <summary>The token endpoint for keys, and what the issuer serves.</summary>
    private async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != "/connect/token")
        {
            await _issuer.ServeAsync(context);
            return;
        }

        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        Assert.Equal("urn:aspirechat:api-key", form["grant_type"]);
        var known = _tokens.TryGetValue(form[ApiKeys.Parameter].ToString(), out var token);
        context.Response.StatusCode = _failure != 0 ? _failure
            : known ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        await context.Response.WriteAsJsonAsync(
            new Dictionary<string, string> { [known ? "access_token" : "error"] = token ?? "invalid_grant" });
    }
}
