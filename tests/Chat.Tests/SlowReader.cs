using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Chat.Tests;

/// <summary>A client that reads the head of an answer and leaves the rest in the socket.</summary>
internal sealed class SlowReader : IDisposable
{
    /// <summary>TCP_MAXSEG: with small segments the kernel takes less of an answer in than a page has.</summary>
    private const int Tcp = 6, MaxSegment = 2;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        ReceiveBufferSize = 4096,
    };

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Asks, and waits for the answer to begin.</summary>
    public static async Task<SlowReader> GetAsync(ChatHost host, long user, string path)
    {
        var reader = new SlowReader();
        reader._socket.SetRawSocketOption(Tcp, MaxSegment, BitConverter.GetBytes(536));
        await reader._socket.ConnectAsync(IPAddress.Loopback, host.Address.Port, CancellationToken).AsTask().Soon();
        await reader._socket.SendAsync(
            Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-User: {user}\r\n\r\n"),
            CancellationToken).AsTask().Soon();
        var status = new byte["HTTP/1.1 200".Length];
        await reader._socket.ReceiveAsync(status, CancellationToken).AsTask().Soon();
        Assert.Equal("HTTP/1.1 200", Encoding.ASCII.GetString(status));
        return reader;
    }

    public void Dispose() => _socket.Dispose();
}
