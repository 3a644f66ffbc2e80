using static Gateway.Tests.Hostile.Attack;

namespace Gateway.Tests.Hostile;

/// <summary>Headers that are too many, too long, doubled, or about something that is not the client's to say.</summary>
public static class HeaderCases
{
    public static TheoryData<string, string, string, string?> All() => new()
    {
        { "no Host", "GET /api/chat HTTP/1.1\r\n\r\n", "400 bare, closed", null },
        {
            "empty Host", "GET /api/chat/1 HTTP/1.1\r\nHost:\r\nAuthorization: Bearer {token}\r\n\r\n",
            "200 passed, open", "chat: GET /api/chat/1"
        },
        { "two Hosts", Get("/api/chat", "Host: evil.example"), "400 bare, closed", null },
        { "Host with a path", "GET /api/chat HTTP/1.1\r\nHost: gateway/health\r\n\r\n", "400 bare, closed", null },
        { "Host with a user", "GET /api/chat HTTP/1.1\r\nHost: user@gateway\r\n\r\n", "400 bare, closed", null },
        {
            "Host with a port that is none", "GET /api/chat HTTP/1.1\r\nHost: gateway:http\r\n\r\n",
            "400 bare, closed", null
        },
        {
            "Host with a port too large", "GET /api/chat HTTP/1.1\r\nHost: gateway:99999\r\n\r\n",
            "401 problem, open", null
        },
        { "Host with a space", "GET /api/chat HTTP/1.1\r\nHost: gate way\r\n\r\n", "400 bare, closed", null },
        { "Host list", "GET /api/chat HTTP/1.1\r\nHost: gateway, evil.example\r\n\r\n", "400 bare, closed", null },
        { "another Host than the target's", Get("http://evil.example/api/chat"), "400 bare, closed", null },
        { "header of 33 KB", Get("/api/chat", "X: " + new string('x', 33 * 1024)), "431 problem, open", null },
        { "header of 100 KB", Get("/api/chat", "X: " + new string('x', 100 * 1024)), "431 problem, open", null },
        { "header of 1 MB", Get("/api/chat", "X: " + new string('x', 1024 * 1024)), "431 bare, closed", null },
        { "header's name of 100 KB", Get("/api/chat", new string('x', 100 * 1024) + ": x"), "431 problem, open", null },
        { "300 headers", Get("/api/chat", Many(300)), "431 problem, open", null },
        { "one header 300 times", Get("/api/chat", [.. Enumerable.Repeat("X: 1", 300)]), "431 problem, open", null },
        { "2,000 headers", Get("/api/chat", Many(2000)), "431 bare, closed", null },
        {
            "token of 40 KB", Get("/api/chat", "Authorization: Bearer " + new string('x', 40 * 1024)),
            "431 problem, open", null
        },
        { "two tokens", Get("/api/chat", "Authorization: Bearer x"), "401 problem, open", null },
        {
            "address of a client",
            Get("/api/chat/1", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "user of a client's making", Get("/api/chat/1", "X-User-Id: 2", "X-User: admin", "X-Forwarded-User: admin"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "another address in a header", Get("/api/chat/1", "X-Original-URL: /charges", "X-Rewrite-URL: /charges"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "another method in a header", Get("/api/chat/1", "X-HTTP-Method-Override: DELETE"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "token dropped on the way", Get("/api/chat/1", "Connection: Authorization"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "host dropped on the way", Get("/api/chat/1", "Connection: Host, close"),
            "200 passed, closed", "chat: GET /api/chat/1"
        },
        { "name with a space dropped on the way", Dropped("a b"), "200 passed, open", "chat: GET /api/chat/1" },
        { "value dropped on the way", Dropped("Keep-Alive=3"), "200 passed, open", "chat: GET /api/chat/1" },
        { "sign dropped on the way", Dropped("@"), "200 passed, open", "chat: GET /api/chat/1" },
        { "quote dropped on the way", Dropped("\""), "200 passed, open", "chat: GET /api/chat/1" },
        { "method dropped on the way", Dropped(":method"), "200 passed, open", "chat: GET /api/chat/1" },
        { "byte dropped on the way", Dropped("\u0001"), "200 passed, open", "chat: GET /api/chat/1" },
        { "UTF-8 dropped on the way", Dropped("\u00c3\u00a4"), "200 passed, open", "chat: GET /api/chat/1" },
        { "nothing dropped on the way", Dropped(",, ,"), "200 passed, open", "chat: GET /api/chat/1" },
        {
            "WebSocket",
            Get(
                "/api/chat/1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "another expectation", Chat("", "Content-Length: 0", "Expect: the-unexpected"),
            "200 passed, open", "chat: POST /api/chat"
        },
        {
            "TE", Get("/api/chat/1", "Connection: TE", "TE: trailers, deflate;q=0.5"),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "line end in a key", Chat("", "Content-Length: 0", "Idempotency-Key: a%0d%0aX-User-Id: 1"),
            "200 passed, open", "chat: POST /api/chat"
        },
        {
            "byte in a key", Chat("", "Content-Length: 0", "Idempotency-Key: \u0001"),
            "200 passed, open", "chat: POST /api/chat"
        },
        {
            "UTF-8 in a key", Chat("", "Content-Length: 0", "Idempotency-Key: \u00c3\u00a4"),
            "200 passed, open", "chat: POST /api/chat"
        },
        { "no UTF-8 in a key", Chat("", "Content-Length: 0", "Idempotency-Key: \u00e4"), "400 bare, closed", null },
        {
            "cookie of 100 parts", Get("/api/chat/1", "Cookie: " + string.Join("; ", Many(100))),
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "range of a million parts",
            Get("/api/chat/1", "Range: bytes=" + string.Join(',', Enumerable.Repeat("0-", 5000))),
            "200 passed, open", "chat: GET /api/chat/1"
        },
    };

    private static string Dropped(string name) => Get("/api/chat/1", $"Connection: {name}");

    private static string[] Many(int count) => [.. Enumerable.Range(1, count).Select(number => $"X-{number}: 1")];
}
