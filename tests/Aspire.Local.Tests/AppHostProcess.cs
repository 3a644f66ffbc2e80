using System.Diagnostics;

namespace Aspire.Local.Tests;

/// <summary>The AppHost as a process of its own, as <c>dotnet run</c> starts it.</summary>
internal static class AppHostProcess
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>The AppHost's own output, in the configuration and framework that this test was built in.</summary>
    private static readonly string Assembly = Path.Combine(
        Projects.AppHost.ProjectPath, "bin", Path.GetRelativePath(
            Path.Combine(AppContext.BaseDirectory, "..", ".."), AppContext.BaseDirectory), "AppHost.dll");

    /// <summary>Not the one that people who work here use.</summary>
    private static readonly string Store = Path.Combine(Path.GetTempPath(), "aspire-local-tests");

    /// <summary>Runs it until it ends.</summary>
    /// <returns>Its exit code, and all it wrote.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(params string[] args)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var process = Start(args);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).WaitAsync(Timeout, cancellationToken);
            return (process.ExitCode, await output + await error);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Starts it, with its output redirected.</summary>
    public static Process Start(params string[] args) =>
        Process.Start(new ProcessStartInfo("dotnet", ["exec", Assembly, $"--Aspire:Store:Path={Store}", .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
