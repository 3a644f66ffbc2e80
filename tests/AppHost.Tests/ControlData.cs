using System.Diagnostics;
using AppHost.Servers;
using Microsoft.Extensions.Logging.Abstractions;

namespace AppHost.Tests;

/// <summary>What PostgreSQL has noted of a folder of data.</summary>
internal static class ControlData
{
    /// <summary>The state of the cluster, such as <c>shut down</c> or <c>in production</c>.</summary>
    public static async Task<string> StateAsync(string folder)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var bin = await PostgresBinaries.FindAsync(null, NullLogger.Instance, cancellationToken);
        using var process = Process.Start(
            new ProcessStartInfo(Path.Combine(bin, "pg_controldata"), [folder]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        return output.Split('\n').Single(line => line.StartsWith("Database cluster state:", StringComparison.Ordinal))
            .Split(':')[1].Trim();
    }
}
