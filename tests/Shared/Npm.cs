using System.ComponentModel;
using System.Diagnostics;

namespace Tests.Shared;

/// <summary>Packages from npm, unmodified, installed beside the tests once.</summary>
internal static class Npm
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);
    private static readonly SemaphoreSlim Turn = new(1);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Fetches a package, unless it is there from an earlier run.</summary>
    /// <param name="package">Its name and version: <c>openai@6.39.0</c>.</param>
    /// <returns>The folder with its <c>node_modules</c>.</returns>
    public static async Task<string> InstallAsync(string package)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, $"npm-{package.Replace('/', '-')}");
        await Turn.WaitAsync(CancellationToken);
        try
        {
            if (Directory.Exists(folder))
            {
                return folder;
            }

            // Under another name until it is whole: a run that is cut off leaves none that looks finished.
            var mine = Path.Combine(AppContext.BaseDirectory, $"npm-{Guid.NewGuid():N}");
            Directory.CreateDirectory(mine);
            await File.WriteAllTextAsync(Path.Combine(mine, "package.json"), "{}", CancellationToken);
            await RunAsync(
                "npm", ["install", "--prefix", mine, "--ignore-scripts", "--no-audit", "--no-fund", package], []);
            Directory.Move(mine, folder);
            return folder;
        }
        finally
        {
            Turn.Release();
        }
    }

    /// <summary>Runs a program to its end, which must be a good one.</summary>
    /// <returns>What it printed.</returns>
    public static async Task<string> RunAsync(string file, string[] arguments, Dictionary<string, string> variables)
    {
        using var process = Start(file, arguments, variables);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken);
            await process.WaitForExitAsync(CancellationToken).WaitAsync(Limit, CancellationToken);
            Assert.True(process.ExitCode == 0, $"{file} ended with {process.ExitCode}: {await errors}");
            return await output;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>Starts a program, with its output redirected.</summary>
    public static Process Start(string file, string[] arguments, Dictionary<string, string> variables)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Fail($"{file} was not found. These tests need node and npm: apt-get install npm.");
            throw;
        }
    }
}
