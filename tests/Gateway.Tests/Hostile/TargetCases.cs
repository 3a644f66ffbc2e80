using static Gateway.Tests.Hostile.Attack;

namespace Gateway.Tests.Hostile;

/// <summary>Methods and addresses that shall get where they must not.</summary>
public static class TargetCases
{
    private const string Charge = "charges/018f0000-0000-7000-8000-000000000001";

    public static TheoryData<string, string, string, string?> All() => new()
    {
        { "dots", Send("POST", "/api/chat/../../connect/token"), "404 problem, open", null },
        { "encoded dots", Send("POST", "/api/chat/%2e%2e/%2e%2e/connect/token"), "404 problem, open", null },
        {
            "dots encoded twice", Send("POST", "/api/chat/%252e%252e/%252e%252e/connect/token"),
            "400 problem, open", null
        },
        { "dots and encoded slashes", Send("PUT", $"/api/chat/..%2f..%2f{Charge}"), "400 problem, open", null },
        {
            "encoded dots and slashes", Send("PUT", $"/api/tokens/%2e%2e%2f%2e%2e%2f{Charge}"),
            "400 problem, open", null
        },
        { "slashes encoded twice", Send("PUT", $"/api/tokens/..%252f..%252f{Charge}"), "400 problem, open", null },
        { "dots and backslashes", Get("/api/chat/..\\..\\health"), "400 problem, open", null },
        { "dots and encoded backslashes", Get("/api/chat/..%5c..%5chealth"), "400 problem, open", null },
        { "encoded backslash", Get("/api/chat%5c.."), "400 problem, open", null },
        {
            "dots with a parameter", Get("/api/chat/..;/..;/accounts"),
            "200 passed, open", "chat: GET /api/chat/..;/..;/accounts"
        },
        { "parameter in a path", Get("/api;x=1/chat"), "404 problem, open", null },
        { "dots above the root", Get("/../../etc/passwd"), "404 problem, open", null },
        { "overlong dot", Get("/api/chat/%c0%ae%c0%ae/health"), "400 problem, open", null },
        { "overlong slash", Get("/api/chat/..%c0%afhealth"), "400 problem, open", null },
        { "half a character", Get("/api/chat/%e2%82"), "400 problem, open", null },
        { "encoding that is none", Get("/api/chat/%zz"), "400 problem, open", null },
        { "encoding cut off", Get("/api/chat/%2"), "400 problem, open", null },
        { "%u encoding", Get("/api/chat/%u002e%u002e/health"), "400 problem, open", null },
        { "encoded NUL", Get("/api/chat/%00"), "400 bare, closed", null },
        { "NUL", Get("/api/chat/\0"), "400 bare, closed", null },
        { "encoded line end in the path", Get("/api/chat/%0d%0aX-User-Id:%201"), "400 problem, open", null },
        {
            "encoded line end in the query", Get("/api/chat?x=%0d%0aX-User-Id:%201"),
            "200 passed, open", "chat: GET /api/chat?x=%0d%0aX-User-Id:%201"
        },
        { "control character in the query", Get("/api/chat?x=\u0001"), "400 problem, open", null },
        { "DEL in the query", Get("/api/chat?x=\u007f"), "400 problem, open", null },
        { "bytes beyond ASCII", Get("/api/ch\u00e4t"), "400 bare, closed", null },
        { "UTF-8, not encoded", Get("/api/chat/\u00c3\u00a4"), "400 bare, closed", null },
        {
            "full-width dots", Get("/api/chat/%ef%bc%8e%ef%bc%8e/health"),
            "200 passed, open", "chat: GET /api/chat/%EF%BC%8E%EF%BC%8E/health"
        },
        { "double slashes", Get("//api//chat"), "404 problem, open", null },
        { "slashes inside", Get("/api//chat"), "404 problem, open", null },
        { "host in the path", Get("//evil.example/api/chat"), "404 problem, open", null },
        { "encoded slash", Get("/api/chat%2f1"), "400 problem, open", null },
        { "encoded letter", Get("/api/%63hat"), "200 passed, open", "chat: GET /api/chat" },
        { "upper case", Get("/API/CHAT"), "200 passed, open", "chat: GET /API/CHAT" },
        { "fragment", Get("/api/chat#/../../health"), "400 problem, open", null },
        { "question mark, encoded", Get("/api/chat%3flimit=1"), "404 problem, open", null },
        { "space in the path", Get("/api/chat /1"), "400 bare, closed", null },
        { "address of 9 KB", Get("/api/chat?" + new string('x', 9 * 1024)), "414 problem, open", null },
        { "address of 100 KB", Get("/api/chat?" + new string('x', 100 * 1024)), "414 bare, closed", null },
        {
            "absolute address of the gateway", Get("http://gateway/api/chat/1"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        { "absolute address of a service", Get("http://127.0.0.1:5432/api/chat"), "400 bare, closed", null },
        { "absolute address, other scheme", Get("ftp://gateway/api/chat"), "400 bare, closed", null },
        { "authority for a target", Get("gateway:80"), "405 bare, closed", null },
        { "CONNECT", "CONNECT 127.0.0.1:5432 HTTP/1.1\r\nHost: 127.0.0.1:5432\r\n\r\n", "405 problem, open", null },
        { "CONNECT with a path", Send("CONNECT", "/api/chat"), "405 problem, open", null },
        { "asterisk", Send("OPTIONS", "*"), "405 problem, open", null },
        { "asterisk for GET", Get("*"), "405 bare, closed", null },
        { "TRACE", Send("TRACE", "/api/chat"), "405 problem, open", null },
        { "TRACK", Send("TRACK", "/api/chat"), "405 problem, open", null },
        { "PROPFIND", Send("PROPFIND", "/api/tokens"), "405 problem, open", null },
        { "DEBUG", Send("DEBUG", "/api/chat"), "405 problem, open", null },
        { "method in lower case", Send("get", "/api/chat"), "405 problem, open", null },
        { "method of 9 KB", Send(new string('X', 9 * 1024), "/api/chat"), "405 problem, open", null },
        { "method with a NUL", Send("GE\0T", "/api/chat"), "400 bare, closed", null },
        { "method of another call", Send("PUT", "/api/login"), "405 problem, open", null },
        { "charges", Send("PUT", "/" + Charge), "404 problem, open", null },
        { "chats of a user", Send("DELETE", "/users/1/chats"), "404 problem, open", null },
        { "tokens of services", Send("POST", "/connect/token"), "404 problem, open", null },
        { "introspection", Send("POST", "/connect/introspect"), "404 problem, open", null },
        { "accounts", Send("PUT", "/accounts/1"), "404 problem, open", null },
        { "imports", Send("PUT", "/imports/1"), "404 problem, open", null },
        { "discovery", Get("/.well-known/openid-configuration"), "404 problem, open", null },
        { "OpenAPI of a service", Get("/openapi/ledger.json"), "404 problem, open", null },
        { "health of a service", Get("/chat/health"), "404 problem, open", null },
        { "health, in the API", Get("/api/health"), "404 problem, open", null },
    };
}
