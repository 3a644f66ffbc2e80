using System.ComponentModel;
using System.Diagnostics;

namespace Browser.Tests;

/// <summary>The browser of the machine. On Debian and its like it is installed when it is not there.</summary>
internal static class Chromium
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private static readonly string[] Names =
    [
        "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ];

    /// <summary>Where it is.</summary>
    /// <returns>The path of the program.</returns>
    public static async Task<string> FindAsync()
    {
        if (Find() is { } there)
        {
            return there;
        }

        // apt needs root, and a lock that another may hold.
        if (OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && OnPath("apt-get") is { } apt)
        {
            await RunAsync(apt, "-qq", "-o", "DPkg::Lock::Timeout=300", "update");
            await RunAsync(
                apt, "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", "chromium");
        }

        return Find() ?? throw new InvalidOperationException(
            "No browser was found. These tests need Chromium or Chrome on the PATH: apt-get install chromium.");
    }

    private static string? Find() => Names.Select(OnPath).FirstOrDefault(path => path is not null);

    private static string? OnPath(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static async Task RunAsync(string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DEBIAN_FRONTEND"] = "noninteractive" },
        };
        using var process = Process.Start(start) ?? throw new Win32Exception($"{file} did not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(
                $"No browser was found, and it could not be installed: {file} {string.Join(' ', arguments)} ended with "
                + $"{process.ExitCode}. {await errors}{await output}");
        }
    }
}
