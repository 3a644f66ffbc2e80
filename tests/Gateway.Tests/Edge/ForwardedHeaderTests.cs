using System.Net;

namespace Gateway.Tests.Edge;

/// <summary>What services learn of a request: its sender from its token, its origin from the gateway.</summary>
public sealed class ForwardedHeaderTests(GatewayFixture system)
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Span = "00f067aa0ba902b7";

    private readonly string _token = system.Issuer.CreateToken();

    [Fact]
    public async Task Headers_ThatServicesKnow_ArePassedOn_AndNoOthers()
    {
        var seen = await ForwardAsync(
            [
                ("Accept", "text/csv"), ("Accept-Language", "de"), ("User-Agent", "test"), ("Idempotency-Key", "k"),
                ("X-User-Id", "2"), ("X-User", "admin"), ("X-Forwarded-User", "admin"),
                ("X-Forwarded-Email", "a@b.example"), ("X-Forwarded-Prefix", "/charges"),
                ("Forwarded", "for=203.0.113.7"), ("X-Real-IP", "203.0.113.7"), ("X-Client-IP", "203.0.113.7"),
                ("X-Original-For", "203.0.113.7"), ("X-Original-URL", "/charges"), ("X-Rewrite-URL", "/charges"),
                ("X-HTTP-Method-Override", "DELETE"), ("Cookie", "a=b"), ("TE", "trailers"), ("Keep-Alive", "9"),
                ("Proxy-Authorization", "Basic eDp5"), ("Proxy-Connection", "keep-alive"), ("Priority", "u=1"),
                ("baggage", "user=2"), ("tracestate", "a=b"), ("traceparent", $"00-{Trace}-{Span}-01"),
                ("Correlation-Context", "user=2"), ("Request-Id", "|2."), ("X-Forwarded-Host", "evil.example"),
            ]);
        Assert.Equal(
            [
                "Accept", "Accept-Language", "Authorization", "Host", "Idempotency-Key", "User-Agent",
                "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "traceparent",
            ],
            seen.Keys.Order(StringComparer.Ordinal));
        Assert.StartsWith($"00-{Trace}-", seen["traceparent"], StringComparison.Ordinal);
        Assert.Equal(("text/csv", "k"), (seen["Accept"], seen["Idempotency-Key"]));
    }

    [Theory]
    [InlineData($"00-{Trace}-{Span}-00", true)] // It is recorded all the same.
    [InlineData($"00-{Trace}-{Span}", false)]
    [InlineData($"00-{Trace}-0000000000000000-01", false)]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    [InlineData("nonsense", false)]
    public async Task Trace_OfACaller_IsGoneOnWithWhenItIsOne(string parent, bool isOne)
    {
        var seen = await ForwardAsync([("traceparent", parent)]);
        Assert.Equal(isOne, seen["traceparent"].Contains(Trace, StringComparison.Ordinal));
        Assert.EndsWith("-01", seen["traceparent"], StringComparison.Ordinal);
    }

    /// <summary>Not even that of a proxy which is believed.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("127.0.0.0/8")]
    public async Task ForwardedHost_IsTheOneThatWasAskedFor(string? proxy)
    {
        var seen = await ForwardAsync(
            [
                ("Host", "chat.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "203.0.113.7"),
                ("X-Forwarded-Proto", "https"),
            ],
            gateway => proxy is null ? gateway : gateway.With("Proxies:0", proxy));
        Assert.Equal("chat.example", seen["X-Forwarded-Host"]);
    }

    [Fact]
    public async Task Header_ThatConnectionNames_EndsAtTheGateway()
    {
        var seen = await ForwardAsync([("Connection", "Idempotency-Key"), ("Idempotency-Key", "k")]);
        Assert.DoesNotContain("Idempotency-Key", seen.Keys);
    }

    [Fact]
    public async Task WishForAWebSocket_EndsAtTheGateway()
    {
        var seen = await ForwardAsync(
            [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
        Assert.DoesNotContain("Upgrade", seen.Keys);
    }

    [Theory]
    [InlineData(null, "203.0.113.7", "https", "127.0.0.1", "http")] // Nobody is believed.
    [InlineData("198.51.100.1", "203.0.113.7", "https", "127.0.0.1", "http")] // Another proxy is.
    [InlineData("127.0.0.1", "203.0.113.7", "https", "203.0.113.7", "https")]
    [InlineData("127.0.0.0/8", "203.0.113.7", "https", "203.0.113.7", "https")]
    [InlineData("127.0.0.0/8", "10.9.9.9, 203.0.113.7", "https", "203.0.113.7", "https")] // The left one is made up.
    [InlineData("127.0.0.0/8", "203.0.113.7, 127.0.0.2", "https", "203.0.113.7", "https")] // Two proxies.
    [InlineData("127.0.0.0/8", "nonsense", "https", "127.0.0.1", "http")]
    [InlineData("127.0.0.0/8", "203.0.113.7", "HTTPS", "203.0.113.7", "https")]
    [InlineData("127.0.0.0/8", "203.0.113.7", "gopher", "203.0.113.7", "http")]
    public async Task ForwardedAddress_OfAProxyInTheList_IsBelieved(
        string? proxy, string forwardedFor, string forwardedProto, string address, string scheme)
    {
        var seen = await ForwardAsync(
            [("X-Forwarded-For", forwardedFor), ("X-Forwarded-Proto", forwardedProto)],
            gateway => proxy is null ? gateway : gateway.With("Proxies:0", proxy));
        Assert.Equal((address, scheme), (Unmapped(seen["X-Forwarded-For"]), seen["X-Forwarded-Proto"]));
    }

    /// <summary>Deployments set this switch of the framework's, which believes everybody.</summary>
    [Fact]
    public async Task ForwardedAddress_WhereTheFrameworkWouldBelieveAnybody_IsNotBelieved()
    {
        var seen = await ForwardAsync(
            [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")],
            gateway => gateway.With("ForwardedHeaders_Enabled", "true"));
        Assert.Equal(("127.0.0.1", "http"), (Unmapped(seen["X-Forwarded-For"]), seen["X-Forwarded-Proto"]));
    }

    private static string Unmapped(string address) => IPAddress.Parse(address) is { IsIPv4MappedToIPv6: true } mapped
        ? mapped.MapToIPv4().ToString()
        : address;

    /// <summary>Sends a request, and gives what reached the service.</summary>
    private async Task<Dictionary<string, string>> ForwardAsync(
        (string Name, string Value)[] headers, Func<GatewayServer, GatewayServer>? change = null)
    {
        Dictionary<string, string> seen = [];
        await using var chat = await Destination.StartAsync(context =>
        {
            seen = context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString());
            return Task.CompletedTask;
        });
        await using var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat.Address));
        await (change?.Invoke(gateway) ?? gateway).StartAsync();
        using var client = gateway.CreateClient();
        foreach (var (name, value) in headers)
        {
            client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        }

        using var response = await client.CallAsync("GET", "/api/chat", _token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return seen;
    }
}
