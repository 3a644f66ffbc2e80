using System.Diagnostics;

namespace Aspire.Hosting.Orchestration;

/// <summary>Keeps a volume to one AppHost: two servers on one folder of data destroy it.</summary>
internal static class VolumeLock
{
    /// <summary>Takes a volume.</summary>
    /// <param name="volume">Its name.</param>
    /// <param name="folder">Its folder. The lock lies beside it: the folder itself may not be there yet.</param>
    /// <returns>The hold.</returns>
    /// <exception cref="DistributedApplicationException">Another AppHost has it.</exception>
    public static FileStream Take(string volume, string folder)
    {
        var pidFile = $"{folder}.pid"; // A file of its own: nobody else can read the one that is held.
        var held = LockFile.TryTake($"{folder}.lock") ?? throw new DistributedApplicationException(
            $"Volume '{volume}' ({folder}) is in use by another AppHost{Holder(pidFile)}: end that one, or give this "
            + "one data of its own with --Aspire:Store:Path=DIR.");
        File.WriteAllText(pidFile, $"{Environment.ProcessId}");
        return held;
    }

    private static string Holder(string pidFile)
    {
        try
        {
            if (int.TryParse(File.ReadAllText(pidFile), out var id))
            {
                using var holder = Process.GetProcessById(id);
                return $", process {id}";
            }
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // It has only just taken the volume, and the process noted there has ended.
        }

        return "";
    }
}
