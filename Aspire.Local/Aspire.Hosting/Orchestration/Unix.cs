using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Aspire.Hosting.Orchestration;

/// <summary>What .NET has no call for: signals, and another user's name.</summary>
internal static partial class Unix
{
    /// <summary>SIGINT: for Postgres a fast shutdown.</summary>
    public const int SigInt = 2;

    /// <summary>SIGKILL: the end.</summary>
    private const int SigKill = 9;

    /// <summary>SIGTERM: please end.</summary>
    public const int SigTerm = 15;

    /// <summary>Whether this process is root, as which Postgres refuses to run.</summary>
    public static bool IsRoot { get; } = !OperatingSystem.IsWindows() && geteuid() == 0;

    /// <summary>Sends a signal; on Windows, which has none, the process is killed.</summary>
    public static void Signal(Process process, int signal)
    {
        if (OperatingSystem.IsWindows())
        {
            process.Kill(entireProcessTree: true);
        }
        else if (!process.HasExited)
        {
            _ = kill(process.Id, signal);
        }
    }

    /// <summary>Kills what is left of a process group. Nothing happens when nothing is.</summary>
    /// <param name="group">The id of the process that leads it.</param>
    public static void KillGroup(int group)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = kill(-group, SigKill);
        }
    }

    /// <summary>Finds a program on the PATH or in some folders.</summary>
    /// <returns>Its path, or null.</returns>
    public static string? Find(string program, params IEnumerable<string> folders)
    {
        var file = OperatingSystem.IsWindows() ? program + ".exe" : program;
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Concat(folders)
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(IsThere);
    }

    /// <summary>A link that leads nowhere exists too, as a link.</summary>
    private static bool IsThere(string path) =>
        File.Exists(path) && (File.ResolveLinkTarget(path, returnFinalTarget: true)?.Exists ?? true);

    /// <summary>Makes a folder that only its owner can enter.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="owner">The owner when this process is root; this process's user when null.</param>
    public static void MakePrivateFolder(string path, string? owner)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        GiveTo(path, owner);
    }

    /// <summary>Gives a file or folder to another user, when this process is root.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="owner">The user; nothing happens when null.</param>
    public static void GiveTo(string path, string? owner)
    {
        if (IsRoot && owner is not null)
        {
            using var chown = Process.Start("chown", [owner, path]);
            chown.WaitForExit();
        }
    }

    [LibraryImport("libc")]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
