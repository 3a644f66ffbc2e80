using System.Text.Json;

namespace Gateway.Tests.Hostile;

/// <summary>
/// What an attacker sends, byte by byte, the exact answer to it, and what of it reaches a service. The attacker is a
/// user with a good token, so that no 401 hides what is behind. An answer is one of
/// <list type="bullet">
/// <item><c>problem</c>: the gateway's, with a sentence;</item>
/// <item><c>bare</c>: Kestrel's own, to what is no HTTP, without a body;</item>
/// <item><c>passed</c>: the service's, whom it reached.</item>
/// </list>
/// After it the connection is <c>closed</c>, or <c>open</c>: then the next request on it gets its own answer, and there
/// was nothing in between.
/// </summary>
public sealed class HostileTests(HostileSystem system) : IClassFixture<HostileSystem>
{
    private const string Probe = "GET /alive HTTP/1.1\r\nHost: gateway\r\n\r\n";

    [Theory]
    [MemberData(nameof(FramingCases.All), MemberType = typeof(FramingCases), DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(TargetCases.All), MemberType = typeof(TargetCases), DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(HeaderCases.All), MemberType = typeof(HeaderCases), DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(BodyCases.All), MemberType = typeof(BodyCases), DisableDiscoveryEnumeration = true)]
    public async Task Request_OfAnAttacker_GetsItsExactAnswer(
        string name, string request, string answer, string? reached)
    {
        using var connection = await RawConnection.OpenAsync(system.Address);
        await connection.SendAsync(request.Replace("{token}", system.Token, StringComparison.Ordinal));
        var actual = await DescribeAsync(connection);
        var actuallyReached = system.TakeReached();
        Assert.True(
            (answer, reached ?? "") == (actual, actuallyReached),
            $"{name}: expected '{answer}' [{reached}], got '{actual}' [{actuallyReached}].");

        using var next = await RawConnection.OpenAsync(system.Address);
        await next.SendAsync(Probe);
        Assert.Equal("Healthy", (await next.ReadAsync())?.Body);
    }

    private static async Task<string> DescribeAsync(RawConnection connection)
    {
        if (await connection.ReadAsync() is not { } answer)
        {
            return "none, closed";
        }

        var kind = answer switch
        {
            { Body: "" } when answer.Headers["X-Content-Type-Options"].Any() =>
                answer.Status is 200 or 204 ? "passed" : "empty",
            { Body: "" } => "bare",
            _ when answer.Headers["Content-Type"].Single() == "application/problem+json" => Check(answer),
            _ => answer.Body,
        };
        await connection.SendAsync(Probe);
        var end = await connection.ReadAsync() switch
        {
            null => "closed",
            { Body: "Healthy" } => "open",
            var another => $"then {another.Status}",
        };
        return $"{answer.Status} {kind}, {end}";
    }

    private static string Check(RawAnswer answer)
    {
        var problem = JsonSerializer.Deserialize<JsonElement>(answer.Body);
        Assert.Equal(answer.Status, problem.GetProperty("status").GetInt32());
        Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty("detail").GetString()));
        Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty("traceId").GetString()));
        Assert.DoesNotContain("127.0.0.1", answer.Body, StringComparison.Ordinal);
        return "problem";
    }
}

/// <summary>How cases are written.</summary>
internal static class Attack
{
    private const string Common = "Host: gateway\r\nAuthorization: Bearer {token}\r\n";

    /// <summary>A request without a body.</summary>
    public static string Get(string target, params string[] headers) => Send("GET", target, headers);

    /// <summary>A request without a body.</summary>
    public static string Send(string method, string target, params string[] headers) =>
        $"{method} {target} HTTP/1.1\r\n{Common}{Lines(headers)}\r\n";

    /// <summary>A chat with a body, whose headers say how long it is, or lie.</summary>
    public static string Chat(string body, params string[] headers) =>
        $"POST /api/chat HTTP/1.1\r\n{Common}Content-Type: application/json\r\n{Lines(headers)}\r\n{body}";

    private static string Lines(string[] headers) => string.Concat(headers.Select(header => header + "\r\n"));
}
