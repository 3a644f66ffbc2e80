using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>Where <c>postgres</c> and <c>initdb</c> are on this machine.</summary>
internal static class PostgresBinaries
{
    /// <summary>The configuration key that names the folder to use, for one of several versions.</summary>
    public const string FolderKey = "Aspire:Local:PostgresBin";

    /// <summary>
    /// The folder of the server: the given one, or on the PATH, or the newest where the usual packages put it.
    /// </summary>
    /// <param name="given">The folder from the configuration, or null.</param>
    /// <exception cref="DistributedApplicationException">There is none; the message says how to install it.</exception>
    public static string Find(string? given)
    {
        if (given is not null)
        {
            return File.Exists(Path.Combine(given, OperatingSystem.IsWindows() ? "initdb.exe" : "initdb"))
                ? given
                : throw new DistributedApplicationException(
                    $"'{FolderKey}' is '{given}', which has no 'initdb': "
                    + "name PostgreSQL's bin folder, or leave it out.");
        }

        var initdb = Unix.Find("initdb", UsualFolders()) ?? throw new DistributedApplicationException(
            "PostgreSQL's server was not found on this machine: install it ("
            + (OperatingSystem.IsMacOS() ? "brew install postgresql"
                : OperatingSystem.IsWindows() ? "winget install PostgreSQL.PostgreSQL" : "apt-get install postgresql")
            + ") or put its bin folder, the one with 'initdb' and 'postgres', on the PATH.");
        return Path.GetDirectoryName(File.ResolveLinkTarget(initdb, returnFinalTarget: true)?.FullName ?? initdb)!;
    }

    private static IEnumerable<string> UsualFolders()
    {
        string[] roots = OperatingSystem.IsWindows()
            ? [Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL")]
            : ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"];
        return roots.Where(Directory.Exists)
            .SelectMany(root => Directory.EnumerateDirectories(root, root == "/usr" ? "pgsql-*" : "*"))
            .Where(folder => root(folder) is "postgresql" or "PostgreSQL"
                || folder.Contains("postgresql@", StringComparison.Ordinal)
                || folder.Contains("pgsql-", StringComparison.Ordinal))
            .OrderByDescending(Version)
            .Select(folder => Path.Combine(folder, "bin"));

        static string root(string folder) => Path.GetFileName(Path.GetDirectoryName(folder))!;
    }

    private static int Version(string folder) =>
        int.TryParse(Path.GetFileName(folder).Split('@', '-')[^1].Split('.')[0], out var version) ? version : 0;
}
