using System.Net;
using System.Net.Sockets;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Finds free ports and holds them for this AppHost. They lie below the range that Linux takes for outgoing
/// connections, and a lock file keeps other AppHosts of this machine off them between the choice and the bind.
/// </summary>
internal sealed class PortAllocator : IDisposable
{
    private const int First = 20_000;
    private const int End = 32_000;

    private static readonly string LockFolder =
        Path.Combine(Path.GetTempPath(), $"aspire-ports-{Environment.UserName}");

    private readonly List<FileStream> _locks = [];

    /// <summary>A free port.</summary>
    public int Any()
    {
        Directory.CreateDirectory(LockFolder);
        for (var tries = 0; tries < 1_000; tries++)
        {
            var port = Random.Shared.Next(First, End);
            if (TryLock(port) is { } held)
            {
                if (IsFree(port))
                {
                    _locks.Add(held);
                    return port;
                }

                held.Dispose();
            }
        }

        throw new DistributedApplicationException($"No free port was found between {First} and {End}.");
    }

    /// <summary>A given port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="resourceName">The resource that wants it, for the message.</param>
    /// <exception cref="DistributedApplicationException">It is taken.</exception>
    public static int Exactly(int port, string resourceName) => IsFree(port)
        ? port
        : throw new DistributedApplicationException(
            $"Port {port}, which '{resourceName}' listens on, is taken by {PortOwner.Describe(port)}: end that process "
            + "or choose another port.");

    /// <summary>Lets the ports go.</summary>
    public void Dispose() => _locks.ForEach(held => held.Dispose());

    private static FileStream? TryLock(int port)
    {
        try
        {
            return new FileStream(
                Path.Combine(LockFolder, $"{port}"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1,
                FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether nobody listens on a port.</summary>
    public static bool IsFree(int port) => CanBind(IPAddress.Loopback, port)
        && (!Socket.OSSupportsIPv6 || CanBind(IPAddress.IPv6Loopback, port));

    private static bool CanBind(IPAddress address, int port)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode is not (SocketError.AddressAlreadyInUse or SocketError.AccessDenied);
        }
    }
}
