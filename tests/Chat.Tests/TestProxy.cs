using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

namespace Chat.Tests;

/// <summary>
/// The network between a replica and a server, which a test can freeze, break, or let an answer be lost on. Its port
/// stays the same when the server behind it is another.
/// </summary>
internal sealed class TestProxy : IAsyncDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly TcpListener _listener = new(IPAddress.Loopback, port: 0);
    private readonly ConcurrentDictionary<TcpClient, bool> _connections = [];
    private readonly TaskCompletionSource _taken = NewSignal();
    private readonly Task _accepting;
    private volatile TaskCompletionSource? _frozen;
    private volatile string? _lostAnswerTo;
    private volatile bool _isAway;
    private int _refusals;

    private TestProxy(IPEndPoint server)
    {
        Server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where new connections lead to.</summary>
    public IPEndPoint Server { get; set; }

    /// <summary>Where it listens.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Where it listens, for HTTP.</summary>
    public Uri Address => new($"http://127.0.0.1:{Port}");

    /// <summary>Ends when it has taken something from a client while it was frozen.</summary>
    public Task Taken => _taken.Task;

    public static TestProxy To(int port) => new(new IPEndPoint(IPAddress.Loopback, port));

    /// <summary>Takes what clients send, and passes nothing on.</summary>
    public void Freeze() => _frozen = NewSignal();

    /// <summary>Passes on what was taken, also of clients that have left.</summary>
    public void Thaw()
    {
        var frozen = _frozen!;
        _frozen = null;
        frozen.SetResult();
    }

    /// <summary>
    /// The next request with such a text reaches the server. When the server has answered the connection breaks, and
    /// not a byte of the answer has come through.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="thenIsAway">Whether no connection comes about from then on.</param>
    public void LoseAnswerTo(string text, bool thenIsAway)
    {
        _isAway = thenIsAway;
        _lostAnswerTo = text;
    }

    /// <summary>Breaks all connections, and as many of the next ones.</summary>
    public void Break(int refusals)
    {
        Volatile.Write(ref _refusals, refusals);
        foreach (var connection in _connections.Keys)
        {
            Reset(connection);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        foreach (var connection in _connections.Keys)
        {
            connection.Dispose();
        }

        await _accepting;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static void Reset(TcpClient connection)
    {
        try
        {
            connection.Client.Close(timeout: 0); // Not by and by: what was not read is gone.
        }
        catch (Exception exception) when (exception is ObjectDisposedException or NullReferenceException)
        {
            // It has ended by itself.
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync();
                if ((_isAway && _lostAnswerTo is null) || Interlocked.Decrement(ref _refusals) >= 0)
                {
                    Reset(client);
                    continue;
                }

                _ = ServeAsync(client);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        _connections[client] = _connections[server] = true;
        try
        {
            await server.ConnectAsync(Server);
            var isLost = new StrongBox<bool>();
            var requests = SendAsync(client.GetStream(), server.GetStream(), isLost);
            await AnswerAsync(server.GetStream(), client.GetStream(), isLost);
            Reset(client);
            await requests;
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
        {
            // One of the two has left.
        }
        finally
        {
            _connections.TryRemove(client, out _);
            _connections.TryRemove(server, out _);
            client.Dispose();
        }
    }

    private async Task SendAsync(NetworkStream client, NetworkStream server, StrongBox<bool> isLost)
    {
        var buffer = new byte[BufferSize];
        while (await client.ReadAsync(buffer) is > 0 and var count)
        {
            if (_lostAnswerTo is { } text && Encoding.ASCII.GetString(buffer, 0, count).Contains(text))
            {
                isLost.Value = true;
            }

            if (_frozen is { } frozen)
            {
                _taken.TrySetResult();
                await frozen.Task;
            }

            await server.WriteAsync(buffer.AsMemory(0, count));
        }
    }

    private async Task AnswerAsync(NetworkStream server, NetworkStream client, StrongBox<bool> isLost)
    {
        var buffer = new byte[BufferSize];
        while (await server.ReadAsync(buffer) is > 0 and var count)
        {
            if (isLost.Value)
            {
                _lostAnswerTo = null;
                return;
            }

            await client.WriteAsync(buffer.AsMemory(0, count));
        }
    }
}
