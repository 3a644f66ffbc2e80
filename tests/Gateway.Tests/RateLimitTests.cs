using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Gateway.Limits;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gateway.Tests;

/// <summary>Two replicas of the gateway hold each caller to the limits together.</summary>
public sealed class RateLimitTests : IAsyncLifetime
{
    private const int Permits = 6;

    private readonly TokenIssuer _issuer = new();
    private readonly StoppedClock _clock = new(); // What is known of a key is known for 5 seconds.
    private readonly string _key = ApiKeys.Create();
    private readonly List<GatewayServer> _gateways = [];
    private OwnRedis _redis = null!;
    private Destination _identity = null!;
    private Destination _service = null!;
    private HttpClient[] _clients = [];
    private int _questions;

    public async ValueTask InitializeAsync()
    {
        _redis = await OwnRedis.StartAsync();
        _identity = await Destination.StartAsync(ServeAsync);
        _service = await Destination.StartAsync();
        for (var n = 0; n < 2; n++)
        {
            var gateway = new GatewayServer(
                    services => services.AddSingleton<TimeProvider>(_clock),
                    ("identity", _identity.Address), ("chat", _service.Address), ("ledger", _service.Address))
                .With("ConnectionStrings:cache", $"{_redis.ConnectionString},asyncTimeout=60000")
                .With("Limits:Patience", "00:00:10");
            foreach (var limit in new[] { "Chat", "Call", "Login", "Register", "Session", "WrongKey", "Unauthorized" })
            {
                gateway.With($"Limits:{limit}:Permits", $"{Permits}").With($"Limits:{limit}:Window", "1.00:00:00");
            }

            gateway.With("Limits:ChatByKey:Permits", "2").With("Limits:ChatByKey:Window", "1.00:00:00");
            await gateway.StartAsync();
            await gateway.Services.GetRequiredService<SharedCounts>().Connected.Soon();
            _gateways.Add(gateway);
        }

        _clients = [.. _gateways.Select(gateway => gateway.CreateClient())];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var gateway in _gateways)
        {
            await gateway.DisposeAsync();
        }

        await _identity.DisposeAsync();
        await _service.DisposeAsync();
        await _redis.DisposeAsync();
        _issuer.Dispose();
    }

    [Theory]
    [InlineData("POST", "/api/chat")]
    [InlineData("POST", "/api/chat/")]
    [InlineData("GET", "/api/chat")]
    [InlineData("GET", "/api/tokens")]
    public async Task Calls_OfAUser_AreLimitedAtBothGatewaysTogether(string method, string path)
    {
        var answers = await CallAsync(Permits * 2, method, path, TokenOf("1"));
        Assert.Equal(Permits, answers.Count(answer => answer.StatusCode is HttpStatusCode.OK));
        Assert.Equal(Permits, answers.Count(answer => answer.StatusCode is HttpStatusCode.TooManyRequests));
        Assert.Equal(Permits, _service.Reached.Count);
        using var other = await _clients[0].CallAsync(method, path, TokenOf("2"));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Theory]
    [InlineData("/api/login")]
    [InlineData("/api/register")]
    [InlineData("/api/token/refresh")]
    public async Task Calls_FromAnAddress_AreLimitedAtBothGatewaysTogether(string path)
    {
        var answers = await CallAsync(Permits * 2, "POST", path, token: null);
        Assert.Equal(Permits, answers.Count(answer => answer.StatusCode is HttpStatusCode.OK));
        // A token changes nothing about the address, and who has one can go on.
        using var again = await _clients[0].CallAsync("POST", path, TokenOf("1"));
        await again.ProblemAsync(HttpStatusCode.TooManyRequests);
        using var chat = await _clients[0].CallAsync("POST", "/api/chat", TokenOf("1"));
        Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
    }

    [Fact]
    public async Task Chats_AndOtherCalls_AreLimitedApart()
    {
        await CallAsync(Permits * 2, "GET", "/api/tokens", TokenOf("1"));
        using var chat = await _clients[0].CallAsync("POST", "/api/chat", TokenOf("1"));
        Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
        using var completion = await _clients[0].CallAsync("POST", "/api/v1/chat/completions", TokenOf("1"));
        Assert.Equal(Left(chat) - 1, Left(completion)); // Both are chats.
    }

    [Fact]
    public async Task Key_OfAUser_IsLimitedBeforeItsUserIs()
    {
        var answers = await CallAsync(Permits * 2, "POST", "/api/chat", _key);
        Assert.Equal(2, answers.Count(answer => answer.StatusCode is HttpStatusCode.OK));
        var refused = answers.First(answer => answer.StatusCode is HttpStatusCode.TooManyRequests);
        Assert.Contains("\"chat-by-key\";q=2;w=86400", Header(refused, "RateLimit-Policy"), StringComparison.Ordinal);
        using var user = await _clients[0].CallAsync("POST", "/api/chat", TokenOf("7"));
        Assert.Equal(Permits - 3, Left(user)); // What the key was refused does not count.
    }

    /// <summary>Each would be a question to Identity.Service.</summary>
    [Fact]
    public async Task Keys_ThatAreNone_AreAskedForUpToALimit()
    {
        for (var n = 0; n < Permits * 2; n++)
        {
            using var answer = await _clients[0].CallAsync("GET", "/api/tokens", ApiKeys.Create());
            await answer.ProblemAsync(n < Permits ? HttpStatusCode.Unauthorized : HttpStatusCode.TooManyRequests);
        }

        Assert.Equal(Permits, Volatile.Read(ref _questions));
    }

    /// <summary>A program that was forgotten goes on with a key that was revoked.</summary>
    [Fact]
    public async Task Keys_ThatAreKnown_AreNotCounted()
    {
        using var good = await _clients[0].CallAsync("GET", "/api/tokens", _key);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        var wrong = ApiKeys.Create();
        for (var n = 0; n < Permits * 2; n++)
        {
            using var known = await _clients[0].CallAsync("GET", "/api/tokens", wrong);
            await known.ProblemAsync(HttpStatusCode.Unauthorized);
            using var unfit = await _clients[0].CallAsync("GET", "/api/tokens", ApiKeys.Prefix + n);
            await unfit.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        await Task.WhenAll(Enumerable.Range(0, Permits)
            .Select(_ => _clients[0].CallAsync("GET", "/api/tokens", ApiKeys.Create())));
        using var still = await _clients[0].CallAsync("GET", "/api/tokens", _key);
        Assert.Equal(HttpStatusCode.OK, still.StatusCode);
    }

    [Fact]
    public async Task Answer_SaysWhatIsLeftAndWhenThereIsMore()
    {
        using var answer = await _clients[0].CallAsync("GET", "/api/tokens", TokenOf("1"));
        Assert.Equal($"\"call\";q={Permits};w=86400", Header(answer, "RateLimit-Policy"));
        Assert.Matches($"^\"call\";r={Permits - 1};t=[0-9]+$", Header(answer, "RateLimit"));
        await CallAsync(Permits, "GET", "/api/tokens", TokenOf("1"));
        using var refused = await _clients[0].CallAsync("GET", "/api/tokens", TokenOf("1"));
        Assert.Matches("^\"call\";r=0;t=[0-9]+$", Header(refused, "RateLimit"));
        Assert.True(refused.Headers.RetryAfter?.Delta > TimeSpan.Zero);
        await refused.ProblemAsync(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task Refusal_OfACompletion_IsInOpenAisShape()
    {
        await CallAsync(Permits, "POST", "/api/v1/chat/completions", TokenOf("1"));
        using var refused = await _clients[0].CallAsync("POST", "/api/v1/chat/completions", TokenOf("1"));
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        var error = (await refused.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken))
            .GetProperty("error");
        Assert.Equal("rate_limit_error", error.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Calls_ThatMayNotBeSent_AreNotCounted()
    {
        for (var n = 0; n < Permits * 2; n++)
        {
            using var answer = await _clients[0].CallAsync("GET", "/api/admin/users", TokenOf("1"));
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.False(answer.Headers.Contains("RateLimit"));
        }
    }

    [Fact]
    public async Task Limits_SwitchedOff_LetAllPass()
    {
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("ledger", _service.Address))
            .With("Limits:Enabled", "false").With("Limits:Call:Permits", "1");
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        for (var n = 0; n < 5; n++)
        {
            using var answer = await client.CallAsync("GET", "/api/tokens", TokenOf("1"));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    private static string Header(HttpResponseMessage answer, string name) =>
        string.Join(", ", answer.Headers.GetValues(name));

    private static int Left(HttpResponseMessage answer) =>
        int.Parse(
            Header(answer, "RateLimit").Split(";r=")[1].Split(';')[0],
            System.Globalization.CultureInfo.InvariantCulture);

    private string TokenOf(string user) => _issuer.CreateToken(token => token.Claims["sub"] = user);

    /// <summary>Many calls at once, at both gateways in turn.</summary>
    private async Task<HttpResponseMessage[]> CallAsync(int count, string method, string path, string? token) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(n => _clients[n % 2].CallAsync(method, path, token)));

    /// <summary>A token with one byte changed costs a look at its signature.</summary>
    [Fact]
    public async Task Calls_WithoutAGoodToken_AreLimitedByAddressAndGoodOnesGoOn()
    {
        var token = _issuer.CreateToken();
        var bad = token[..^10] + (token[^10] == 'A' ? 'B' : 'A') + token[^9..];
        var statuses = new List<HttpStatusCode>();
        for (var n = 0; n < Permits + 2; n++)
        {
            using var response = await _clients[n % 2].CallAsync("GET", "/api/tokens", n == 0 ? null : bad);
            statuses.Add(response.StatusCode);
        }

        Assert.Equal(Permits, statuses.Count(status => status is HttpStatusCode.Unauthorized));
        Assert.All(statuses[Permits..], status => Assert.Equal(HttpStatusCode.TooManyRequests, status));
        using var good = await _clients[0].CallAsync("GET", "/api/tokens", token);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
    }

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
        var isKnown = form[ApiKeys.Parameter] == _key;
        context.Response.StatusCode = isKnown ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        await context.Response.WriteAsJsonAsync(isKnown
            ? new Dictionary<string, string>
            {
                ["access_token"] = _issuer.CreateToken(token =>
                {
                    token.Claims["sub"] = "7";
                    token.Claims["key_scopes"] = "chat history tokens";
                    token.Claims[ApiKeys.IdClaim] = 11;
                }),
            }
            : new Dictionary<string, string> { ["error"] = "invalid_grant" });
    }
}
