using static Gateway.Tests.Hostile.Attack;

namespace Gateway.Tests.Hostile;

/// <summary>Requests whose end two servers may see at different places (RFC 9112, 11.2), and other HTTP.</summary>
public static class FramingCases
{
    private const string Smuggled = "GET /api/chat/smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n";
    private const string Chunked = "Transfer-Encoding: chunked";

    public static TheoryData<string, string, string, string?> All() => new()
    {
        {
            "length and chunks", Chat($"0\r\n\r\n{Smuggled}", "Content-Length: 5", Chunked),
            "400 problem, closed", null
        },
        {
            "chunks and length", Chat($"0\r\n\r\n{Smuggled}", Chunked, "Content-Length: 5"),
            "400 problem, closed", null
        },
        { "two lengths", Chat($"hello{Smuggled}", "Content-Length: 5", "Content-Length: 6"), "400 bare, closed", null },
        { "two equal lengths", Chat("hello", "Content-Length: 5", "Content-Length: 5"), "400 bare, closed", null },
        { "list of lengths", Chat("hello", "Content-Length: 5, 5"), "400 bare, closed", null },
        { "negative length", Chat("hello", "Content-Length: -5"), "400 bare, closed", null },
        { "length with a plus", Chat("hello", "Content-Length: +5"), "200 passed, open", "chat: POST /api/chat" },
        { "length in hex", Chat("hello", "Content-Length: 0x5"), "400 bare, closed", null },
        { "length beyond 64 bits", Chat("hello", "Content-Length: 18446744073709551621"), "400 bare, closed", null },
        { "length with a space inside", Chat("hello", "Content-Length: 5 5"), "400 bare, closed", null },
        { "empty length", Chat("hello", "Content-Length: "), "400 bare, closed", null },
        { "xchunked", Chat("0\r\n\r\n", "Transfer-Encoding: xchunked"), "400 bare, closed", null },
        { "chunked, identity", Chat("0\r\n\r\n", "Transfer-Encoding: chunked, identity"), "400 bare, closed", null },
        { "identity, chunked", Chat("0\r\n\r\n", "Transfer-Encoding: identity, chunked"), "400 problem, closed", null },
        { "gzip, chunked", Chat("0\r\n\r\n", "Transfer-Encoding: gzip, chunked"), "400 problem, closed", null },
        { "chunked twice", Chat("0\r\n\r\n", Chunked, Chunked), "400 problem, closed", null },
        {
            "chunked in two lines, the last is none", Chat("0\r\n\r\n", Chunked, "Transfer-Encoding: x"),
            "400 bare, closed", null
        },
        {
            "tab before chunked", Chat("0\r\n\r\n", "Transfer-Encoding:\tchunked"),
            "200 passed, open", "chat: POST /api/chat"
        },
        { "vertical tab before chunked", Chat("0\r\n\r\n", "Transfer-Encoding:\vchunked"), "400 bare, closed", null },
        { "quoted chunked", Chat("0\r\n\r\n", "Transfer-Encoding: \"chunked\""), "400 bare, closed", null },
        { "CHUNKED", Chat("0\r\n\r\n", "Transfer-Encoding: CHUNKED"), "200 passed, open", "chat: POST /api/chat" },
        { "space before the colon", Chat("0\r\n\r\n", "Transfer-Encoding : chunked"), "400 bare, closed", null },
        {
            "chunked in HTTP/1.0", "POST /api/chat HTTP/1.0\r\nHost: gateway\r\n" + Chunked + "\r\n\r\n0\r\n\r\n",
            "400 problem, closed", null
        },
        {
            "chunk size that is none", Chat($"zz\r\nhello\r\n0\r\n\r\n{Smuggled}", Chunked),
            "400 problem, closed", null
        },
        { "negative chunk size", Chat($"-5\r\nhello\r\n0\r\n\r\n{Smuggled}", Chunked), "400 problem, closed", null },
        { "chunk size with 0x", Chat($"0x5\r\nhello\r\n0\r\n\r\n{Smuggled}", Chunked), "400 problem, closed", null },
        {
            "chunk size beyond 64 bits", Chat($"10000000000000005\r\nhello\r\n0\r\n\r\n", Chunked),
            "400 problem, closed", null
        },
        { "chunk size with spaces", Chat("5  \r\nhello\r\n0\r\n\r\n", Chunked), "400 problem, closed", null },
        { "chunk extension", Chat("5;a=b\r\nhello\r\n0\r\n\r\n", Chunked), "200 passed, open", "chat: POST /api/chat" },
        {
            "chunk extension with a bare LF", Chat($"5;a\nhello\r\n0\r\n\r\n{Smuggled}", Chunked),
            "400 problem, closed", null
        },
        {
            "chunk longer than it says", Chat($"3\r\nhello\r\n0\r\n\r\n{Smuggled}", Chunked),
            "400 problem, closed", null
        },
        { "chunk lines that end in LF", Chat($"5\nhello\n0\n\n{Smuggled}", Chunked), "400 problem, closed", null },
        {
            "trailer that is a header", Chat("0\r\nContent-Length: 50\r\nAuthorization: x\r\n\r\n", Chunked),
            "200 passed, open", "chat: POST /api/chat"
        },
        {
            "GET with a body that is a request", Get("/api/chat/1", $"Content-Length: {Smuggled.Length}") + Smuggled,
            "200 passed, open", "chat: GET /api/chat/1"
        },
        {
            "pipelined after a refused request", Send("POST", "/api/nothing", "Content-Length: 5") + "hello" + Smuggled,
            "404 problem, then 401", null
        },
        { "lines that end in LF", "GET /api/chat HTTP/1.1\nHost: gateway\n\n", "400 bare, closed", null },
        { "header that ends in LF", Get("/api/chat", "X: 1\nTransfer-Encoding: chunked"), "400 bare, closed", null },
        { "folded header", Get("/api/chat", "X: 1\r\n Transfer-Encoding: chunked"), "400 bare, closed", null },
        { "CR in a header", Get("/api/chat", "X: 1\rTransfer-Encoding: chunked"), "400 bare, closed", null },
        { "NUL in a header", Get("/api/chat", "X: 1\0"), "400 bare, closed", null },
        { "NUL in a header's name", Get("/api/chat", "X\0: 1"), "400 bare, closed", null },
        { "header without a name", Get("/api/chat", ": 1"), "400 bare, closed", null },
        { "header without a colon", Get("/api/chat", "Host"), "400 bare, closed", null },
        { "first header is folded", "GET /api/chat HTTP/1.1\r\n Host: gateway\r\n\r\n", "400 bare, closed", null },
        { "HTTP/0.9", "GET /api/chat\r\n", "400 bare, closed", null },
        { "HTTP/1.0", "GET /api/chat HTTP/1.0\r\n\r\n", "401 problem, closed", null },
        { "HTTP/1.2", "GET /api/chat HTTP/1.2\r\nHost: gateway\r\n\r\n", "505 bare, closed", null },
        { "HTTP/2.0", "GET /api/chat HTTP/2.0\r\nHost: gateway\r\n\r\n", "505 bare, closed", null },
        { "http/1.1", "GET /api/chat http/1.1\r\nHost: gateway\r\n\r\n", "505 bare, closed", null },
        { "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "none, closed", null },
        {
            "upgrade to h2c",
            Get(
                "/api/tokens",
                "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
            "200 passed, open", "ledger: GET /api/tokens"
        },
        {
            "TLS on the clear-text port", "\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003",
            "400 bare, closed", null
        },
        { "no HTTP at all", "hello\r\n\r\n", "400 bare, closed", null },
        { "two spaces", "GET  /api/chat HTTP/1.1\r\nHost: gateway\r\n\r\n", "400 bare, closed", null },
        { "tab for a space", "GET\t/api/chat\tHTTP/1.1\r\nHost: gateway\r\n\r\n", "400 bare, closed", null },
        { "empty lines first", "\r\n\r\n" + Get("/api/chat/1"), "200 passed, open", "chat: GET /api/chat/1" },
    };
}
