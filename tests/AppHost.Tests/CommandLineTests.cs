using System.Diagnostics;
using System.Text.Json.Nodes;

namespace AppHost.Tests;

/// <summary>Aspire's own command line, which comes as a tool of the repository.</summary>
[Trait("Category", "Slow")]
public sealed class CommandLineTests
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Aspire_DescribeLogsAndStop_WorkOnTheRunningApplication()
    {
        using var place = new Place();
        var (app, client) = await AppHostProcess.ReadyAsync(place, ["--Storage=ephemeral"]);
        client.Dispose();
        await using (app)
        {
            await RunAsync(place, "tool", "restore");
            var described = JsonNode.Parse(await RunAsync(place, "aspire", "describe", "--format", "Json"))!;
            Assert.Contains("\"gateway\"", described.ToJsonString(), StringComparison.Ordinal);
            var log = await RunAsync(place, "aspire", "logs", "ledger");
            Assert.Contains("schema of LedgerDb is up to date", log, StringComparison.Ordinal);
            await RunAsync(place, "aspire", "stop");
            await app.EndAsync();
            await app.NothingLeftAsync();
        }
    }

    private static async Task<string> RunAsync(Place place, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Projects.AppHost.ProjectPath,
            Environment = { ["HOME"] = place.Home, ["ASPIRE_CLI_TELEMETRY_OPTOUT"] = "true" },
        })!;
        var errors = process.StandardError.ReadToEndAsync(CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken).Soon();
        await process.WaitForExitAsync(CancellationToken).Soon();
        Assert.True(process.ExitCode == 0, $"{string.Join(' ', arguments)}: {output}{await errors}");
        return output;
    }
}
