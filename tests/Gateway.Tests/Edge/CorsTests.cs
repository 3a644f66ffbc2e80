using System.Net;
using Gateway.Tests.Hostile;

namespace Gateway.Tests.Edge;

/// <summary>Pages of other origins may call from browsers where the operator says so, and nowhere else.</summary>
public sealed class CorsTests(GatewayFixture system) : IAsyncLifetime
{
    private const string Origin = "https://app.example";

    private Destination? _chat;

    public async ValueTask InitializeAsync() => _chat = await Destination.StartAsync();

    [Fact]
    public async Task Answer_WithoutOrigins_SaysNothingOfThem()
    {
        await using var gateway = await StartAsync();
        using var response = await CallAsync(gateway, "GET", Origin);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.DoesNotContain(response.Headers, IsCors);
        using var preflight = await PreflightAsync(gateway, "/api/chat", Origin, "POST");
        await preflight.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.DoesNotContain(preflight.Headers, IsCors);
    }

    [Theory]
    [InlineData("/api/chat", "POST")]
    [InlineData("/api/chat/1", "DELETE")]
    [InlineData("/api/conversations/1", "PATCH")]
    [InlineData("/api/login", "POST")]
    [InlineData("/api/v1/chat/completions", "POST")]
    public async Task Preflight_OfAKnownOrigin_IsAnsweredHere(string path, string method)
    {
        await using var gateway = await StartAsync(Origin, "https://other.example");
        using var preflight = await PreflightAsync(gateway, path, Origin, method);
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Equal(Origin, Value(preflight, "Access-Control-Allow-Origin"));
        Assert.Contains(method, Value(preflight, "Access-Control-Allow-Methods"), StringComparison.Ordinal);
        Assert.Equal("authorization,x-stainless-os", Value(preflight, "Access-Control-Allow-Headers"));
        Assert.Equal("600", Value(preflight, "Access-Control-Max-Age"));
        Assert.Null(Value(preflight, "Access-Control-Allow-Credentials"));
        Assert.Empty(_chat!.Reached);
    }

    [Fact]
    public async Task Preflight_OfAnotherOrigin_AllowsNothing()
    {
        await using var gateway = await StartAsync(Origin);
        using var preflight = await PreflightAsync(gateway, "/api/chat", "https://app.example.evil.example", "POST");
        Assert.Null(Value(preflight, "Access-Control-Allow-Origin"));
        Assert.Empty(_chat!.Reached);
    }

    [Theory]
    [InlineData("/api/chat", HttpStatusCode.OK)]
    [InlineData("/api/nothing", HttpStatusCode.NotFound)]
    public async Task Answer_ToAKnownOrigin_MayBeReadWithItsHeaders(string path, HttpStatusCode expected)
    {
        await using var gateway = await StartAsync(Origin);
        using var response = await CallAsync(gateway, "GET", Origin, path);
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal(Origin, Value(response, "Access-Control-Allow-Origin"));
        Assert.Equal(
            "Link,RateLimit,RateLimit-Policy,Retry-After,Idempotency-Replayed,x-request-id,x-should-retry",
            Value(response, "Access-Control-Expose-Headers"));
        using var other = await CallAsync(gateway, "GET", "https://evil.example", path);
        Assert.Null(Value(other, "Access-Control-Allow-Origin"));
    }

    /// <summary>What a page did wrong it may read too.</summary>
    [Fact]
    public async Task Refusal_OfTheGuard_MayBeReadByAKnownOrigin()
    {
        await using var gateway = await StartAsync(Origin);
        using var response = await CallAsync(gateway, "GET", Origin, "/api/chat/%2f");
        await response.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Equal(Origin, Value(response, "Access-Control-Allow-Origin"));
        using var other = await CallAsync(gateway, "GET", "https://evil.example", "/api/chat/%2f");
        Assert.Null(Value(other, "Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("\u0001", 400)]
    [InlineData("\u00c3\u00a4", 400)]
    [InlineData("a\"b", 400)]
    [InlineData("(a)", 400)]
    [InlineData("authorization, x-stainless-os,content-type", 204)]
    [InlineData("", 204)]
    public async Task Preflight_ForNamesThatNoHeaderHas_Is400(string names, int expected) =>
        Assert.Equal(expected, await PreflightAsync(names));

    [Theory]
    [InlineData(30, 204)]
    [InlineData(33, 431)]
    public async Task Preflight_HasTheLimitsOfAllRequests(int kilobytes, int expected) =>
        Assert.Equal(expected, await PreflightAsync(new string('x', kilobytes * 1024)));

    [Fact]
    public async Task Answer_WhereAnyOriginMay_SaysSoToAll()
    {
        await using var gateway = await StartAsync("*");
        using var response = await CallAsync(gateway, "GET", "https://any.example");
        Assert.Equal("*", Value(response, "Access-Control-Allow-Origin"));
        Assert.Null(Value(response, "Access-Control-Allow-Credentials"));
    }

    public ValueTask DisposeAsync() => _chat?.DisposeAsync() ?? default;

    private static bool IsCors(KeyValuePair<string, IEnumerable<string>> header) =>
        header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase);

    private static string? Value(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;

    private static async Task<HttpResponseMessage> PreflightAsync(
        GatewayServer gateway, string path, string origin, string method)
    {
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add("Origin", origin);
        client.DefaultRequestHeaders.Add("Access-Control-Request-Method", method);
        client.DefaultRequestHeaders.Add("Access-Control-Request-Headers", "authorization,x-stainless-os");
        return await client.CallAsync("OPTIONS", path);
    }

    /// <summary>The status of a preflight, sent byte by byte.</summary>
    private async Task<int?> PreflightAsync(string names)
    {
        await using var gateway = await StartAsync(Origin);
        using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
        await connection.SendAsync(
            $"OPTIONS /api/chat HTTP/1.1\r\nHost: gateway\r\nOrigin: {Origin}\r\n"
            + $"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {names}\r\n\r\n");
        return (await connection.ReadAsync())?.Status;
    }

    private async Task<HttpResponseMessage> CallAsync(
        GatewayServer gateway, string method, string origin, string path = "/api/chat")
    {
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add("Origin", origin);
        return await client.CallAsync(method, path, system.Issuer.CreateToken());
    }

    private async Task<GatewayServer> StartAsync(params string[] origins)
    {
        var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", _chat!.Address));
        foreach (var (number, origin) in origins.Index())
        {
            gateway.With($"Cors:Origins:{number}", origin);
        }

        await gateway.StartAsync();
        return gateway;
    }
}
