using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using Gateway.Tests.Hostile;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Configuration;

namespace Gateway.Tests;

/// <summary>Small bodies are read before anything is sent on.</summary>
public sealed class SmallBodyTests(GatewayFixture system)
{
    private const string HeadersEnd = "\r\n\r\n";

    private readonly string _token = system.Issuer.CreateToken();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>What is written at once to a connection of this machine is read at once.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(2_000, false)] // A larger one comes in as few pieces as the HTTP client's buffer allows.
    [InlineData(2_000, true)]
    public async Task Body_ThatIsSmall_ComesInOnePieceWithItsHeaders(int length, bool isChunked)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var gateway = await StartAsync(
            $"http://{listener.LocalEndpoint}", services => services.RemoveAll<IProxyConfigFilter>()); // No probes.
        using var client = gateway.CreateClient();
        var body = new string('x', length);
        using var content = new StringContent(body);
        client.DefaultRequestHeaders.TransferEncodingChunked = isChunked;
        var call = client.CallAsync("POST", "/api/chat", _token, content);
        using var connection = await listener.AcceptSocketAsync(CancellationToken).AsTask().Soon();
        var first = await ReadAsync(connection);
        Assert.EndsWith(HeadersEnd + body, first, StringComparison.Ordinal);
        await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), CancellationToken);
        using var response = await call;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    /// <summary>A client who leaves is nobody's failure: no line of the log is about it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Client_WhoLeavesInTheMiddle_ReachesNobodyAndIsNoFailure(bool isReset)
    {
        await using var chat = await Destination.StartAsync();
        var log = new LogOfFailures();
        await using var gateway = await StartAsync(chat.Address, services =>
            services.AddSingleton<ILoggerProvider>(log));
        log.Lines.Clear(); // What the start had to say.
        for (var n = 0; n < 10; n++)
        {
            using var connection = await RawConnection.OpenAsync(gateway.ClientOptions.BaseAddress);
            await connection.SendAsync(
                $"POST /api/chat HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {_token}\r\n"
                + "Content-Length: 100\r\n\r\n{");
            if (isReset)
            {
                connection.Reset();
            }
            else
            {
                await connection.EndAsync();
            }
        }

        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", "/api/chat", _token, JsonContent.Create(new { }));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await gateway.DisposeAsync(); // Which waits for the requests.
        Assert.Single(chat.Reached);
        Assert.Empty(log.Lines);
    }

    /// <summary>Reads until the headers have ended, and no further.</summary>
    private static async Task<string> ReadAsync(Socket connection)
    {
        var buffer = new byte[64 * 1024];
        var count = 0;
        do
        {
            count += await connection.ReceiveAsync(buffer.AsMemory(count), CancellationToken).AsTask().Soon();
        }
        while (!Encoding.Latin1.GetString(buffer, 0, count).Contains(HeadersEnd, StringComparison.Ordinal));
        return Encoding.Latin1.GetString(buffer, 0, count);
    }

    private async Task<GatewayServer> StartAsync(string chat, Action<IServiceCollection> change)
    {
        var gateway = new GatewayServer(
            change,
            ("identity", system.Replicas("identity")[0].Address), ("ledger", system.Replicas("ledger")[0].Address),
            ("chat", chat));
        await gateway.StartAsync();
        return gateway;
    }

    private sealed class LogOfFailures : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Lines.Enqueue($"{formatter(state, exception)} {exception}");
            }
        }

        public void Dispose()
        {
        }
    }
}
