using System.Net;
using System.Net.Sockets;

namespace Gateway.Tests.Hostile;

/// <summary>What is refused by HTTP/1.1 is refused by HTTP/2 too, where many requests share a connection.</summary>
public sealed class Http2Tests(GatewayFixture system) : IAsyncLifetime
{
    private readonly string _token = system.Issuer.CreateToken();
    private Destination _chat = null!;
    private GatewayServer _gateway = null!;
    private HttpClient _client = null!;
    private int _connections;

    public async ValueTask InitializeAsync()
    {
        _chat = await Destination.StartAsync(context => context.Request.Body.CopyToAsync(Stream.Null));
        _gateway = new GatewayServer(("identity", system.Replicas("identity")[0].Address), ("chat", _chat.Address))
            .With("Connections:BodyTime", "00:00:01").With("Connections:Grace", "00:05:00").WithHttp2();
        await _gateway.StartAsync();
        _client = new(new SocketsHttpHandler { ConnectCallback = ConnectAsync })
        {
            BaseAddress = _gateway.ClientOptions.BaseAddress,
        };
    }

    [Theory]
    [InlineData("GET", "/api/chat/1", 0, HttpStatusCode.OK)]
    [InlineData("TRACE", "/api/chat", 0, HttpStatusCode.MethodNotAllowed)]
    [InlineData("PROPFIND", "/api/chat", 0, HttpStatusCode.MethodNotAllowed)]
    [InlineData("GET", "/api/chat/..%2f1", 0, HttpStatusCode.BadRequest)]
    [InlineData("GET", "/api/chat/%255c", 0, HttpStatusCode.BadRequest)]
    [InlineData("GET", "/api/chat", 33, HttpStatusCode.RequestHeaderFieldsTooLarge)]
    [InlineData("GET", "/api/chat", 100, HttpStatusCode.RequestHeaderFieldsTooLarge)]
    public async Task Request_ByHttp2_GetsTheSameAnswer(
        string method, string path, int kilobytes, HttpStatusCode expected)
    {
        using var response = await SendAsync(method, path, content: null, new string('x', kilobytes * 1024));
        Assert.Equal(HttpVersion.Version20, response.Version);
        if (expected is HttpStatusCode.OK)
        {
            Assert.Equal(expected, response.StatusCode);
            return;
        }

        await response.ProblemAsync(expected);
        Assert.Empty(_chat.Reached);
    }

    /// <summary>The rate that a body must have is that of its connection, and here that may be slow.</summary>
    [Theory]
    [InlineData(100)]
    [InlineData(null)]
    public async Task Body_ThatStalls_Is408_AndItsConnectionLives(int? length)
    {
        using var stalled = new StalledContent(length);
        using var response = await SendAsync("POST", "/api/chat", stalled);
        await response.ProblemAsync(HttpStatusCode.RequestTimeout);
        using var next = await SendAsync("GET", "/api/chat");
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        Assert.Equal(1, _connections);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway.DisposeAsync();
        await _chat.DisposeAsync();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        _connections++;
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(context.DnsEndPoint, cancel);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private Task<HttpResponseMessage> SendAsync(
        string method, string path, HttpContent? content = null, string filler = "")
    {
        var address = new Uri(
            _client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path,
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(method), address)
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.Authorization = new("Bearer", _token);
        request.Headers.Add("X-Filler", filler);
        return _client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken).Soon();
    }

    /// <summary>
    /// Begins and does not go on. Not a StreamContent: the client does not look for an answer before that has ended.
    /// </summary>
    private sealed class StalledContent(int? length) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(
            Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.WriteAsync("{"u8.ToArray(), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override bool TryComputeLength(out long computed)
        {
            computed = length ?? 0;
            return length is not null;
        }
    }
}
