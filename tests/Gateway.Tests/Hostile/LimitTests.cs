using Gateway.Edge;
using Microsoft.Extensions.Hosting;

namespace Gateway.Tests.Hostile;

/// <summary>
/// What is just within a limit reaches a service, and is within its own limits too, which it would say without a word.
/// What is just beyond is refused by the gateway, with a sentence.
/// </summary>
public sealed class LimitTests(GatewayFixture system) : IAsyncLifetime
{
    private const int LineBytes = 4;

    private Destination _chat = null!;
    private GatewayServer _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _chat = await Destination.StartAsync(handle: null, service => service.AddServiceDefaults());
        _gateway = new GatewayServer(("identity", system.Replicas("identity")[0].Address), ("chat", _chat.Address));
        await _gateway.StartAsync();
    }

    [Theory]
    [InlineData("x", 0, 200)]
    [InlineData("x", 1, 414)]
    [InlineData("\"", 0, 200)] // Three bytes on the way on.
    [InlineData("\"", 1, 414)]
    public Task Target_AtTheLimit(string character, int beyond, int expected)
    {
        const string Path = "/api/chat?";
        return AssertAsync(
            Path + string.Concat(Enumerable.Repeat(character, RequestGuard.MaxTargetBytes - Path.Length + beyond)),
            [], expected);
    }

    [Theory]
    [InlineData("x", 0, 200)]
    [InlineData("x", 1, 431)]
    [InlineData("\u00c3\u00a4", 0, 200)]
    [InlineData("\u00c3\u00a4", 2, 431)] // Two bytes, and one character.
    public Task Headers_AtTheLimitOfBytes(string character, int beyond, int expected)
    {
        var others = Headers().Sum(header => header.Length) + (Headers().Count * 2); // And the ends of their lines.
        var length = RequestGuard.MaxHeadersBytes - others - "User-Agent".Length - LineBytes;
        var filler = string.Concat(Enumerable.Repeat(character, (length + beyond) / character.Length))
            .PadRight(length + beyond, 'x');
        return AssertAsync("/api/chat", [$"User-Agent: {filler}"], expected);
    }

    [Theory]
    [InlineData(0, 200)]
    [InlineData(1, 431)]
    public Task Headers_AtTheLimitOfTheirNumber(int beyond, int expected) => AssertAsync(
        "/api/chat",
        [.. Enumerable.Repeat("Accept: a/b", RequestGuard.MaxHeaders - Headers().Count + beyond)],
        expected);

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _chat.DisposeAsync();
    }

    private List<string> Headers() => ["Host: gateway", $"Authorization: Bearer {Token}"];

    private string Token => field ??= system.Issuer.CreateToken();

    private async Task AssertAsync(string target, string[] headers, int expected)
    {
        using var connection = await RawConnection.OpenAsync(_gateway.ClientOptions.BaseAddress);
        await connection.SendAsync(
            $"GET {target} HTTP/1.1\r\n"
                + $"{string.Concat(Headers().Concat(headers).Select(header => header + "\r\n"))}\r\n");
        var answer = await connection.ReadAsync();
        Assert.Equal(expected, answer?.Status);
        Assert.Equal(expected == 200, _chat.Reached.Count == 1);
        Assert.True(expected == 200 || answer!.Headers["Content-Type"].Single() == "application/problem+json");
    }
}
