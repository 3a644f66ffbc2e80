using System.Net;
using System.Net.Sockets;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// One address for the replicas of a resource: each new connection goes to the next replica that accepts it. Services
/// find the replicas themselves by service discovery; this is for those outside, such as clients of a replicated
/// gateway.
/// </summary>
internal sealed class EndpointProxy : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly TcpListener _listener;
    private readonly IReadOnlyList<int> _ports;
    private readonly Task _accepting;
    private uint _next;

    /// <summary>Listens at once.</summary>
    /// <param name="port">The port clients use.</param>
    /// <param name="ports">The replicas' ports.</param>
    public EndpointProxy(int port, IReadOnlyList<int> ports)
    {
        _ports = ports;
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                _ = ForwardAsync(await _listener.AcceptTcpClientAsync(_stopping.Token));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException)
            {
                // The application ends, or a client was gone before it was taken in.
            }
        }
    }

    private async Task ForwardAsync(TcpClient client)
    {
        using var here = client;
        using var there = await ConnectAsync();
        if (there is null)
        {
            return;
        }

        here.NoDelay = there.NoDelay = true;
        Task[] copies = [CopyAsync(here, there), CopyAsync(there, here)];
        if ((await Task.WhenAny(copies)).IsCompletedSuccessfully)
        {
            // One side has said all it has to say; the other may still.
            await Task.WhenAll(copies).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        // Otherwise one side is gone, and closing both tells the other.
    }

    private async Task<TcpClient?> ConnectAsync()
    {
        for (var tries = 0; tries < _ports.Count; tries++)
        {
            var client = new TcpClient();
            try
            {
                var port = _ports[(int)(Interlocked.Increment(ref _next) % (uint)_ports.Count)];
                await client.ConnectAsync(IPAddress.Loopback, port, _stopping.Token);
                return client;
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
                client.Dispose();
            }
        }

        return null;
    }

    private async Task CopyAsync(TcpClient from, TcpClient to)
    {
        await from.GetStream().CopyToAsync(to.GetStream(), _stopping.Token);
        to.Client.Shutdown(SocketShutdown.Send);
    }
}
