using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace AspireChat.Tests.OpenAi;

/// <summary>The openai package from npm, unmodified, installed beside the tests once and run by node.</summary>
internal static class NodeClient
{
    /// <summary>The last one that the node of older distributions runs.</summary>
    private const string Package = "openai@6.39.0";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);
    private static readonly SemaphoreSlim Turn = new(1);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Makes a call of client.mjs.</summary>
    /// <param name="call">Its name there.</param>
    /// <param name="gateway">Where the gateway is.</param>
    /// <param name="key">An access token.</param>
    /// <returns>What it printed: <c>result</c> or <c>error</c>.</returns>
    public static async Task<JsonNode> CallAsync(string call, Uri gateway, string key)
    {
        var printed = await RunAsync(
            "node",
            [Path.Combine(AppContext.BaseDirectory, "OpenAi", "client.mjs"), await InstallAsync(), call],
            new() { ["OPENAI_BASE_URL"] = new Uri(gateway, "/api/v1").ToString(), ["OPENAI_API_KEY"] = key });
        return JsonNode.Parse(printed)!;
    }

    /// <summary>Fetches the package, unless it is there from an earlier run.</summary>
    private static async Task<string> InstallAsync()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, $"npm-{Package}");
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
                "npm", ["install", "--prefix", mine, "--ignore-scripts", "--no-audit", "--no-fund", Package], []);
            Directory.Move(mine, folder);
            return folder;
        }
        finally
        {
            Turn.Release();
        }
    }

    private static async Task<string> RunAsync(string file, string[] arguments, Dictionary<string, string> variables)
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

        using var process = Start(start);
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

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Fail($"{start.FileName} was not found. These tests need node and npm: apt-get install npm.");
            throw;
        }
    }
}
