using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Gateway.Tests;

/// <summary>What the gateway itself refuses under /api/v1 is in OpenAI's shape, and elsewhere it is not.</summary>
public sealed class OpenAiErrorTests(GatewayFixture system)
{
    private const string Completions = "/api/v1/chat/completions";

    private readonly HttpClient _client = system.Gateway.CreateClient();
    private readonly string _query = $"?test={Guid.NewGuid():N}";

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("POST", Completions, null)]
    [InlineData("POST", Completions, "nonsense")]
    [InlineData("GET", "/api/v1/models", null)]
    [InlineData("GET", "/API/V1/models", null)]
    public async Task Call_WithoutAGoodToken_Is401InOpenAisShape(string method, string path, string? token)
    {
        using var response = await _client.CallAsync(method, path + _query, token);
        var error = await ErrorAsync(response, HttpStatusCode.Unauthorized);
        Assert.Equal(("invalid_request_error", "invalid_api_key"), error);
        Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
        Assert.Empty(system.Reached(_query));
    }

    [Fact]
    public async Task Call_WithoutTheUsersScope_Is403InOpenAisShape()
    {
        var token = system.Issuer.CreateToken(token => token.Claims["scope"] = "ledger");
        using var response = await _client.CallAsync("GET", "/api/v1/models" + _query, token);
        var error = await ErrorAsync(response, HttpStatusCode.Forbidden);
        Assert.Equal("permission_error", error.Type);
        Assert.Empty(system.Reached(_query));
    }

    [Fact]
    public async Task Body_OverTheLimit_Is413InOpenAisShape()
    {
        using var content = new ByteArrayContent(new byte[(256 * 1024) + 1]);
        using var response = await _client.CallAsync(
            "POST", Completions + _query, system.Issuer.CreateToken(), content);
        var error = await ErrorAsync(response, HttpStatusCode.RequestEntityTooLarge);
        Assert.Equal("request_too_large", error.Code);
        Assert.Empty(system.Reached(_query));
    }

    [Fact]
    public async Task Body_OfAnotherCharset_Is415InOpenAisShape()
    {
        using var content = new StringContent("{}");
        content.Headers.ContentType = new("application/json", "utf-16");
        using var response = await _client.CallAsync(
            "POST", Completions + _query, system.Issuer.CreateToken(), content);
        var error = await ErrorAsync(response, HttpStatusCode.UnsupportedMediaType);
        Assert.Equal("unsupported_media_type", error.Code);
    }

    [Fact]
    public async Task Service_ThatHangsUp_Is502InOpenAisShape()
    {
        await using var chat = await Destination.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        await using var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", Completions, system.Issuer.CreateToken());
        Assert.Equal("server_error", (await ErrorAsync(response, HttpStatusCode.BadGateway)).Type);
    }

    [Fact]
    public async Task Error_OfAService_ComesBackUnchanged()
    {
        const string Body = """{"error":{"message":"m","type":"t","param":"p","code":"c"}}""";
        await using var chat = await Destination.StartAsync(context =>
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            context.Response.Headers.RetryAfter = "1";
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(Body);
        });
        await using var gateway = new GatewayServer(
            ("identity", system.Replicas("identity")[0].Address), ("chat", chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", Completions, system.Issuer.CreateToken());
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter?.Delta);
        Assert.Equal(Body, await response.Content.ReadAsStringAsync(CancellationToken).Soon());
    }

    [Theory]
    [InlineData("/api/v1x/models")]
    [InlineData("/api")]
    public async Task Error_OfAnotherCall_IsProblemDetails(string path)
    {
        using var response = await _client.CallAsync("GET", path + _query, system.Issuer.CreateToken());
        await response.ProblemAsync(HttpStatusCode.NotFound);
    }

    private static async Task<(string? Type, string? Code)> ErrorAsync(
        HttpResponseMessage response, HttpStatusCode expected)
    {
        var text = await response.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.True(response.StatusCode == expected, $"Expected {expected}, got {response.StatusCode}: {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.Matches("^[0-9a-f]{32}$", Assert.Single(response.Headers.GetValues("x-request-id")));
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
        var body = JsonSerializer.Deserialize<JsonObject>(text)!;
        Assert.Equal(["error"], body.Select(member => member.Key));
        var error = body["error"]!.AsObject();
        Assert.Equal(["message", "type", "param", "code"], error.Select(member => member.Key));
        Assert.False(string.IsNullOrWhiteSpace((string?)error["message"]), "An error says what is wrong.");
        return ((string?)error["type"], (string?)error["code"]);
    }
}
