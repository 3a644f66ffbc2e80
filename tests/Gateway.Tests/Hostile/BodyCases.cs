using static Gateway.Tests.Hostile.Attack;

namespace Gateway.Tests.Hostile;

/// <summary>Bodies that are too large, or not what they say. What is in them is for the services to judge.</summary>
public static class BodyCases
{
    private const int Large = 10 * 1024 * 1024;

    private const string Json = "Content-Type: application/json\r\n";

    public static TheoryData<string, string, string, string?> All() => new()
    {
        { "10 MB", Chat(new string('x', Large), $"Content-Length: {Large}"), "413 problem, open", null },
        {
            "10 MB that wait to be asked for", Chat("", $"Content-Length: {Large}", "Expect: 100-continue"),
            "413 problem, closed", null
        },
        {
            "10 MB of gzip", Chat(new string('x', Large), $"Content-Length: {Large}", "Content-Encoding: gzip"),
            "415 problem, open", null
        },
        { "1 TB", Chat("", "Content-Length: 1099511627776"), "413 problem, closed", null },
        {
            "10 MB in a chunk", Chat($"a00000\r\n{new string('x', Large)}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            "413 problem, closed", null
        },
        {
            "300,000 chunks of a byte",
            Chat(string.Concat(Enumerable.Repeat("1\r\nx\r\n", 300_000)) + "0\r\n\r\n", "Transfer-Encoding: chunked"),
            "413 problem, closed", null
        },
        {
            "chunk extension of 1 MB",
            Chat($"5;{new string('x', 1024 * 1024)}\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            "413 problem, closed", null
        },
        {
            "trailers of 1 MB", Chat($"0\r\nX: {new string('x', 1024 * 1024)}\r\n\r\n", "Transfer-Encoding: chunked"),
            "431 problem, closed", null
        },
        {
            "another charset",
            OfType("application/json; charset=utf-16"),
            "415 problem, open", null
        },
        {
            "charset that is none",
            OfType("application/json; charset=\""),
            "415 problem, open", null
        },
        {
            "no type",
            Chat("{}", "Content-Length: 2").Replace(Json, "", StringComparison.Ordinal),
            "200 passed, open", "chat: POST /api/chat"
        },
        { "gzip", Chat("\u001f\u008b\b\0", "Content-Length: 4", "Content-Encoding: gzip"), "415 problem, open", null },
        { "half a JSON", Chat("{", "Content-Length: 1"), "200 passed, open", "chat: POST /api/chat" },
        {
            "deep JSON", Chat(new string('[', 100_000), "Content-Length: 100000"),
            "200 passed, open", "chat: POST /api/chat"
        },
        { "no body and no length", Chat(""), "200 passed, open", "chat: POST /api/chat" },
        { "empty body", Chat("", "Content-Length: 0"), "200 passed, open", "chat: POST /api/chat" },
    };

    private static string OfType(string type) =>
        Chat("{}", "Content-Length: 2").Replace(Json, $"Content-Type: {type}\r\n", StringComparison.Ordinal);
}
