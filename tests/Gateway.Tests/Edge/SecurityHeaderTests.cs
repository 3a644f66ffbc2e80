using System.Net;

namespace Gateway.Tests.Edge;

/// <summary>What browsers are told with every answer, once.</summary>
public sealed class SecurityHeaderTests(GatewayFixture system)
{
    private const string NothingAllowed = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

    [Theory]
    [InlineData("/api/chat", HttpStatusCode.OK)]
    [InlineData("/api/register", HttpStatusCode.MethodNotAllowed)]
    [InlineData("/api/chat/%2f", HttpStatusCode.BadRequest)]
    [InlineData("/nothing", HttpStatusCode.NotFound)]
    [InlineData("/alive", HttpStatusCode.OK)]
    public async Task Answer_WhateverItIs_HasThem(string path, HttpStatusCode expected)
    {
        using var client = system.Gateway.CreateClient();
        using var response = await client.CallAsync("GET", path, system.Issuer.CreateToken());
        Assert.Equal(expected, response.StatusCode);
        AssertSafe(response);
        Assert.Equal(NothingAllowed, Assert.Single(response.Headers.GetValues("Content-Security-Policy")));
        if (path.StartsWith("/api", StringComparison.Ordinal))
        {
            Assert.True(response.Headers.CacheControl?.NoStore);
        }

        Assert.False(response.Headers.Contains("Server"));
        Assert.False(response.Headers.Contains("Strict-Transport-Security")); // Not by plain HTTP (RFC 6797, 7.2).
    }

    [Fact]
    public async Task Answer_OfAServiceThatSetsThem_HasThemOnce_AndItsOwnCachingAndPolicy()
    {
        await using var chat = await Destination.StartAsync(context =>
        {
            var headers = context.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "ALLOWALL";
            headers["Referrer-Policy"] = "unsafe-url";
            headers.CacheControl = "no-cache";
            headers.ContentSecurityPolicy = "default-src 'self'";
            return Task.CompletedTask;
        });
        await using var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("GET", "/api/chat", system.Issuer.CreateToken());
        AssertSafe(response);
        Assert.Equal("no-cache", response.Headers.CacheControl?.ToString());
        Assert.Equal("default-src 'self'", Assert.Single(response.Headers.GetValues("Content-Security-Policy")));
    }

    /// <summary>Errors take away the headers that were there before them.</summary>
    [Theory]
    [InlineData("GET", "/api/chat", HttpStatusCode.GatewayTimeout)]
    [InlineData("POST", "/api/chat/1", HttpStatusCode.RequestEntityTooLarge)]
    public async Task Error_ByHttps_HasHsts(string method, string path, HttpStatusCode expected)
    {
        await using var chat = await Destination.StartAsync(context =>
            context.Request.Body.CopyToAsync(Stream.Null).ContinueWith(
                _ => Task.Delay(Timeout.Infinite, context.RequestAborted), TaskScheduler.Default).Unwrap());
        await using var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat.Address))
            .With("Proxies:0", "127.0.0.0/8").With("Connections:RequestTime", "00:00:01");
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Host = "chat.example";
        client.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.7");
        client.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        client.DefaultRequestHeaders.TransferEncodingChunked = method == "POST";
        using var content = method == "POST" ? new ByteArrayContent(new byte[300_000]) : null;
        using var response = await client.CallAsync(method, path, system.Issuer.CreateToken(), content);
        await response.ProblemAsync(expected);
        Assert.Equal("max-age=2592000", Assert.Single(response.Headers.GetValues("Strict-Transport-Security")));
    }

    private static void AssertSafe(HttpResponseMessage response)
    {
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
    }
}
