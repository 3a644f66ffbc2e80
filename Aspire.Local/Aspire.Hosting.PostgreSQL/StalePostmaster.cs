using System.Diagnostics;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>
/// What is left of a server whose AppHost was killed together with its watchdog, or whose machine lost its power: the
/// file <c>postmaster.pid</c>, and maybe the server itself. Whoever comes here holds the volume, so that no AppHost
/// owns what is found. https://www.postgresql.org/docs/current/storage-file-layout.html
/// </summary>
internal static class StalePostmaster
{
    private const int StartTimeLine = 2;

    private static readonly TimeSpan ShutdownPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StartTimeTolerance = TimeSpan.FromSeconds(5);

    /// <summary>Ends a server that still runs on a folder, and removes a file that would keep others off it.</summary>
    /// <param name="data">The folder. It need not be there.</param>
    /// <param name="logger">The AppHost's own log.</param>
    /// <param name="cancellationToken">Ends the wait for the server.</param>
    public static async Task ClearAsync(string data, ILogger logger, CancellationToken cancellationToken)
    {
        var file = Path.Combine(data, "postmaster.pid");
        if (!File.Exists(file))
        {
            return;
        }

        var lines = await File.ReadAllLinesAsync(file, cancellationToken);
        if (!int.TryParse(lines.FirstOrDefault(), out var id))
        {
            File.Delete(file); // Cut off while it was written.
            return;
        }

        try
        {
            using var process = Process.GetProcessById(id);
            if (IsServerOf(data, lines, process))
            {
                logger.LogWarning(
                    "A PostgreSQL server still runs on {Folder}, left behind by an AppHost that was killed: stopping "
                    + "process {Id}", data, id);
                await StopAsync(process, cancellationToken);
            }
            else
            {
                // Postgres takes any process of its user's that has this id for a server on this folder.
                File.Delete(file);
            }
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // It has ended. Postgres sees that itself, and looks whether a part of that server still runs.
        }
    }

    /// <summary>
    /// A server works in its folder of data. Where that cannot be seen its start time tells, which is not as good: it
    /// moves when the clock is set.
    /// </summary>
    private static bool IsServerOf(string data, string[] lines, Process process) =>
        process.ProcessName == "postgres"
        && (Unix.WorkingFolder(process.Id) is { } folder
            ? folder == Unix.RealPath(data)
            : long.TryParse(lines.ElementAtOrDefault(StartTimeLine), out var seconds)
                && (process.StartTime - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() < StartTimeTolerance);

    private static async Task StopAsync(Process server, CancellationToken cancellationToken)
    {
        Unix.Signal(server, Unix.SigInt);
        var ended = server.WaitForExitAsync(cancellationToken);
        if (await Task.WhenAny(ended, Task.Delay(ShutdownPatience, cancellationToken)) != ended)
        {
            server.Kill(entireProcessTree: true);
        }

        await ended;
    }
}
