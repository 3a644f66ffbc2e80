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

    /// <summary>The folders of the PATH.</summary>
    public static string[] PathFolders => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);

    /// <summary>Finds a program on the PATH.</summary>
    /// <returns>Its path, or null.</returns>
    public static string? Find(string program) => FindIn(PathFolders, program);

    /// <summary>Finds a program in some folders.</summary>
    /// <returns>Its path, or null.</returns>
    public static string? FindIn(IEnumerable<string> folders, string program)
    {
        var file = OperatingSystem.IsWindows() && !Path.HasExtension(program) ? program + ".exe" : program;
        return folders.Select(folder => Path.Combine(folder, file)).FirstOrDefault(IsThere);
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
    /// <param name="path">The file or folder, with all in it. Links in it are not followed.</param>
    /// <param name="owner">The user; nothing happens when null.</param>
    public static void GiveTo(string path, string? owner)
    {
        if (IsRoot && owner is not null)
        {
            using var chown = Process.Start("chown", ["-R", "-h", owner, path]);
            chown.WaitForExit();
        }
    }

    /// <summary>The number of a user's own group. Its name may be another one: that of <c>nobody</c> is.</summary>
    /// <returns>The number, or null when the machine has no such user.</returns>
    public static string? GroupOf(string user) => File.ReadLines("/etc/passwd")
        .Select(line => line.Split(':')) // name:password:user:group:...
        .FirstOrDefault(fields => fields.Length > 3 && fields[0] == user)?[3];

    /// <summary>The folder that a process works in, without links.</summary>
    /// <returns>The folder, or null when it cannot be known: it can on Linux, of this user's processes.</returns>
    public static string? WorkingFolder(int processId)
    {
        try
        {
            return new FileInfo($"/proc/{processId}/cwd").LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A path without links, as the system sees it; the path itself when it leads nowhere.</summary>
    public static unsafe string RealPath(string path)
    {
        var real = realpath(path, 0);
        try
        {
            return Marshal.PtrToStringUTF8(real) ?? path;
        }
        finally
        {
            NativeMemory.Free((void*)real);
        }
    }

    [LibraryImport("libc")]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint realpath(string path, nint resolved);
}
