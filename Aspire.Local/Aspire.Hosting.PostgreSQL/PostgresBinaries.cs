using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>Where <c>postgres</c> and <c>initdb</c> are on this machine.</summary>
internal static class PostgresBinaries
{
    /// <summary>The configuration key that names the folder to use, for one of several versions.</summary>
    public const string FolderKey = "Aspire:Local:PostgresBin";

    /// <summary>What to do where there is none.</summary>
    public static string HowToInstall =>
        "install it ("
        + (OperatingSystem.IsMacOS() ? "brew install postgresql"
            : OperatingSystem.IsWindows() ? "winget install PostgreSQL.PostgreSQL" : "apt-get install postgresql")
        + ") or put its bin folder, the one with 'initdb' and 'postgres', on the PATH";

    /// <summary>The folder that the configuration names.</summary>
    /// <param name="given">The folder.</param>
    /// <exception cref="DistributedApplicationException">It has no server.</exception>
    public static string Given(string given) => FindIn([given]) is not null
        ? given
        : throw new DistributedApplicationException(
            $"'{FolderKey}' is '{given}', which has no 'initdb': name PostgreSQL's bin folder, or leave it out.");

    /// <summary>The first folder that has the server.</summary>
    /// <returns>The folder itself where the one that was searched has links to it; null when none has it.</returns>
    public static string? FindIn(IEnumerable<string> folders) => Unix.FindIn(folders, "initdb") is { } initdb
        ? Path.GetDirectoryName(File.ResolveLinkTarget(initdb, returnFinalTarget: true)?.FullName ?? initdb)
        : null;

    /// <summary>Where the usual packages put it, the newest version first.</summary>
    public static IEnumerable<string> UsualFolders()
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
