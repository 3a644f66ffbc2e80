using System.Net;
using System.Net.Sockets;

namespace AppHost.Servers;

/// <summary>
/// Ports that are free. Those that it picks lie below the ranges that systems take for outgoing connections (Linux
/// begins at 32768), so that nobody takes one before its server listens.
/// </summary>
internal static class FreePort
{
    private const int First = 20_000;
    private const int Last = 32_000;

    private static readonly HashSet<int> Given = [];

    /// <summary>A port that is free on loopback and was not given out before.</summary>
    public static int Next()
    {
        lock (Given)
        {
            while (true)
            {
                var port = Random.Shared.Next(First, Last);
                if (IsFree(port) && Given.Add(port))
                {
                    return port;
                }
            }
        }
    }

    /// <summary>A port that the user has chosen.</summary>
    /// <param name="port">The port.</param>
    /// <param name="option">The option that changes it.</param>
    /// <exception cref="DistributedApplicationException">Another process listens there.</exception>
    public static int Take(int port, string option) => IsFree(port)
        ? port
        : throw new DistributedApplicationException(
            $"Port {port} is taken by another process: end that one, or choose another port with {option}=PORT.");

    /// <summary>Whether a server can listen on this port of loopback, by IPv4 and IPv6.</summary>
    private static bool IsFree(int port) =>
        CanListen(IPAddress.Loopback, port) && (!Socket.OSSupportsIPv6 || CanListen(IPAddress.IPv6Loopback, port));

    private static bool CanListen(IPAddress address, int port)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        // A server takes a port over whose last connections linger; without this the check would not.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, !OperatingSystem.IsWindows());
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode != SocketError.AddressAlreadyInUse
                && exception.SocketErrorCode != SocketError.AccessDenied;
        }
    }
}
