using System.Collections.Concurrent;
using System.Net;
using Gateway.Keys;
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
    private int _questions;

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

    /// <summary>Whoever tries keys spoils the address for those who have none there yet, and for nobody else.</summary>
    [Fact]
    public async Task Calls_WithAKeyThatWasGood_GoOnWhenOthersOfTheAddressTryKeys()
    {
        Know(_key);
        var clock = new StoppedClock();
        await using var gateway = new GatewayServer(
            services => services.AddSingleton<TimeProvider>(clock),
            ("identity", _identity.Address), ("ledger", _ledger.Address)).With("Limits:WrongKey:Permits", "2")
            .With("Limits:WrongKey:Window", "1.00:00:00");
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using (var first = await client.CallAsync("GET", "/api/tokens", _key))
        {
            Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        }

        var statuses = new List<HttpStatusCode>();
        for (var n = 0; n < 3; n++)
        {
            using var wrong = await client.CallAsync("GET", "/api/tokens", ApiKeys.Create());
            statuses.Add(wrong.StatusCode);
        }

        Assert.Equal(
            [HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests], statuses);
        clock.Advance(KeyTokens.Lifetime + TimeSpan.FromSeconds(1)); // It has to be exchanged again.
        using (var good = await client.CallAsync("GET", "/api/tokens", _key))
        {
            Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        }

        _tokens.Clear(); // Once it is revoked, it is a key like any other.
        clock.Advance(KeyTokens.Lifetime + TimeSpan.FromSeconds(1));
        using (var revoked = await client.CallAsync("GET", "/api/tokens", _key))
        {
            await revoked.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        clock.Advance(KeyTokens.Lifetime + TimeSpan.FromSeconds(1));
        using var again = await client.CallAsync("GET", "/api/tokens", _key);
        await again.ProblemAsync(HttpStatusCode.TooManyRequests);
    }

    [Theory]
    [InlineData("chat", "POST", "/api/chat")]
    [InlineData("chat", "POST", "/api/v1/chat/completions")]
    [InlineData("chat", "GET", "/api/v1/models")]
    [InlineData("history", "GET", "/api/chat")]
    [InlineData("history", "GET", "/api/chat/export")]
    [InlineData("history", "GET", "/api/conversations")]
    [InlineData("tokens", "GET", "/api/tokens")]
    [InlineData("tokens", "GET", "/api/tokens/history")]
    [InlineData("tokens", "GET", "/api/usage")]
    public async Task Call_WithAKeyOfAScope_ReachesWhatTheScopeIsFor(string scope, string method, string path)
    {
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("ledger", _ledger.Address), ("chat", _ledger.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        foreach (var scopes in new[] { scope, "chat history tokens".Replace(scope, "", StringComparison.Ordinal), "" })
        {
            var key = ApiKeys.Create();
            _tokens[key] = _issuer.CreateToken(token =>
                (token.Claims["key"], token.Claims["key_scopes"]) = (7, scopes));
            using var response = await client.CallAsync(method, path, key);
            Assert.Equal(scopes == scope ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
        }

        Assert.Single(_ledger.Reached);
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

    private string Know(string key) => _tokens[key] = _issuer.CreateToken(token =>
        (token.Claims["key"], token.Claims["key_scopes"]) = (7, "chat history tokens"));

    private int Questions() => Volatile.Read(ref _questions);

    private Task<HttpResponseMessage> CallAsync(string key, string scheme = "Bearer")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/api/tokens");
        request.Headers.Authorization = new(scheme, key);
        return _client.SendAsync(request, TestContext.Current.CancellationToken).Soon();
    }

    /// <summary>The token endpoint for keys, and what the issuer serves.</summary>
    private async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != "/connect/token"
            || await context.Request.ReadFormAsync(context.RequestAborted) is not { } form
            || form["client_id"] == "gateway")
        {
            await _issuer.ServeAsync(context);
            return;
        }

        Interlocked.Increment(ref _questions);
        Assert.Equal("urn:aspirechat:api-key", form["grant_type"]);
        var known = _tokens.TryGetValue(form[ApiKeys.Parameter].ToString(), out var token);
        context.Response.StatusCode = _failure != 0 ? _failure
            : known ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        await context.Response.WriteAsJsonAsync(
            new Dictionary<string, string> { [known ? "access_token" : "error"] = token ?? "invalid_grant" });
    }
}
