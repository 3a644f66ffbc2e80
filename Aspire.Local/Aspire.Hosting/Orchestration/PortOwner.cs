using System.Diagnostics;
using System.Globalization;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Says which process listens on a port. Reads /proc, so it knows on Linux alone, and only processes that this user may
/// look into: its own, or all when it is root.
/// </summary>
internal static class PortOwner
{
    private const string Unknown = "another process";

    // Columns of the tables: https://docs.kernel.org/networking/proc_net_tcp.html
    private const int LocalAddress = 1;
    private const int State = 3;
    private const int Inode = 9;
    private const string Listening = "0A";

    private static readonly string[] Tables = ["/proc/net/tcp", "/proc/net/tcp6"];

    /// <summary>The process, as words for a sentence: <c>process 1234 (dotnet)</c>.</summary>
    /// <param name="port">The port.</param>
    public static string Describe(int port)
    {
        if (!OperatingSystem.IsLinux())
        {
            return Unknown;
        }

        var sockets = Tables
            .Where(File.Exists)
            .SelectMany(table => File.ReadLines(table).Skip(1))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns[State] == Listening && PortOf(columns[LocalAddress]) == port)
            .Select(columns => $"socket:[{columns[Inode]}]")
            .ToHashSet();
        var owner = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), out var id) ? id : 0)
            .Where(id => id > 0)
            .Order() // A socket that a process has passed on to its children is named as the parent's.
            .FirstOrDefault(id => HasOneOf(sockets, id));
        return owner == 0 ? Unknown : NameOf(owner);
    }

    private static int PortOf(string address) =>
        int.Parse(address.AsSpan(address.IndexOf(':') + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static bool HasOneOf(HashSet<string> sockets, int id)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{id}/fd")
                .Any(entry => new FileInfo(entry).LinkTarget is { } target && sockets.Contains(target));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false; // It has ended, or is somebody else's.
        }
    }

    private static string NameOf(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return $"process {id} ({process.ProcessName})";
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            return Unknown; // It has ended: the next start finds the port free.
        }
    }
}
