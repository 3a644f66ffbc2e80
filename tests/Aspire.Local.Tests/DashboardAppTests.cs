using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Dashboard.Resources.Wire;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Dashboard;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Tests.Shared;

namespace Aspire.Local.Tests;

/// <summary>What the AppHost does for its dashboard, and what it lets nobody else do.</summary>
public sealed class DashboardAppTests
{
    private const string Ok = "0";
    private const string Unauthenticated = "16";
    private const string Service = "aspire.dashboard.resources.ResourceService/";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Watch", null)]
    [InlineData("Watch", "another")]
    [InlineData("Execute", null)]
    [InlineData("Execute", "another")]
    public async Task ResourceService_WithoutTheKey_TellsAndDoesNothing(string method, string? key)
    {
        await using var app = await DashboardApp.StartAsync(builder => Sleeper(builder, "worker"));
        await app.HealthyAsync("worker");
        var pid = await app.PidAsync("worker");
        using var client = new HttpClient();
        using var request = Request(app, method, new ExecuteRequest { Id = "worker", Command = "stop" }, key);
        using var response = await client.SendAsync(request, Cancellation).Soon();
        Assert.Empty(await response.Content.ReadAsByteArrayAsync(Cancellation).Soon());
        Assert.Equal(Unauthenticated, RawGrpc.StatusOf(response));
        Assert.Equal(pid, await app.PidAsync("worker"));
        Assert.False(Process.GetProcessById(pid).HasExited);
    }

    [Fact]
    public async Task Execute_WithTheKey_StopsAResourceButNotTheDashboard()
    {
        await using var app = await DashboardApp.StartAsync(builder => Sleeper(builder, "worker"));
        await app.HealthyAsync("worker");
        var done = await ExecuteAsync(app, "worker", "stop");
        Assert.True(done.Success, done.Message);
        await app.StateAsync("worker", KnownResourceStates.Finished);

        var refused = await ExecuteAsync(app, "Aspire-Dashboard", "stop");
        Assert.Equal((false, "The dashboard does not stop itself."), (refused.Success, refused.Message));
        using var dashboard = Process.GetProcessById(await app.PidAsync(DashboardApp.Name));
        Assert.False(dashboard.HasExited);
        await app.HealthyAsync(DashboardApp.Name);
    }

    [Fact]
    public async Task Watch_Anew_TellsTheLastLinesOfEachResource()
    {
        await using var app = await DashboardApp.StartAsync(builder =>
        {
            builder.AddExecutable("quiet", "sh", ".", "-c", "echo hush; exec sleep 600");
            builder.AddExecutable("loud", "sh", ".", "-c", "seq 30000; echo over; exec sleep 600");
        });
        await app.SaysAsync("quiet", "hush");
        await app.SaysAsync("loud", "over");
        for (var connection = 0; connection < 2; connection++)
        {
            Assert.Equal(["hush"], await LinesUntilAsync(app, "quiet", "hush"));
            Assert.Equal(
                [.. Enumerable.Range(29_002, 999).Select(n => $"{n}"), "over"],
                await LinesUntilAsync(app, "loud", "over"));
        }
    }

    [Fact]
    public async Task Dashboard_Killed_IsStartedAgainAndHearsEverything()
    {
        await using var app = await DashboardApp.StartAsync(builder =>
        {
            Sleeper(builder, "one");
            Sleeper(builder, "two");
        });
        using var client = app.CreateDashboardClient();
        await KnowsAsync(client, "one", "two");
        var pid = await app.PidAsync(DashboardApp.Name);
        Process.GetProcessById(pid).Kill();
        await app.EventAsync(DashboardApp.Name, e => e.Snapshot.Properties.Length > 0 && TestApp.Pid(e) != pid);
        await app.HealthyAsync(DashboardApp.Name);
        await KnowsAsync(client, "one", "two");
    }

    [Fact]
    public async Task Dashboard_WhenTheApplicationStops_EndsLastAndWithoutAWord()
    {
        AppHostLog? log = null;
        await using var app = await DashboardApp.StartAsync(builder =>
        {
            log = builder.AddLog();
            builder.AddExecutable(
                "slow", "sh", ".", "-c", "trap 'sleep 1; exit 0' TERM; echo ready; while :; do sleep 0.1; done");
        });
        await app.SaysAsync("slow", "ready");
        Assert.Equal(["slow", DashboardApp.Name], await app.StopAsync(count: 2));
        Assert.DoesNotContain(log!.Lines, line => line.Contains("fail: ", StringComparison.Ordinal)
            || line.Contains("does not answer", StringComparison.Ordinal));
    }

    private static void Sleeper(IDistributedApplicationBuilder builder, string name) =>
        builder.AddExecutable(name, "sleep", ".", "600");

    /// <summary>Asks the dashboard until it knows that resources run.</summary>
    private static async Task KnowsAsync(HttpClient client, params string[] names)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TestApp.Timeout);
        List<string?> running = [];
        while (!names.All(running.Contains))
        {
            var answer = await client.GetFromJsonAsync<JsonArray>("/api/telemetry/resources", patience.Token);
            running = [.. answer!.Where(r => (string?)r!["state"] == "Running").Select(r => (string?)r!["name"])];
        }
    }

    /// <summary>Watches until a resource has written a line.</summary>
    /// <returns>All lines of the resource until then.</returns>
    private static async Task<IReadOnlyList<string>> LinesUntilAsync(
        DistributedApplication app, string resource, string last)
    {
        using var client = new HttpClient();
        using var request = Request(app, "Watch", new WatchRequest(), KeyOf(app));
        using var response = await client.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, Cancellation).Soon();
        await using var answer = await response.Content.ReadAsStreamAsync(Cancellation).Soon();
        var lines = new List<string>();
        while (!lines.Contains(last))
        {
            var update = Update.Parser.ParseFrom(await answer.ReadMessageAsync(Cancellation).Soon());
            lines.AddRange(update.Lines.Where(line => line.Replica == resource).Select(line => line.Text));
        }

        return lines;
    }

    private static async Task<ExecuteResponse> ExecuteAsync(DistributedApplication app, string id, string command)
    {
        using var client = new HttpClient();
        using var request = Request(app, "Execute", new ExecuteRequest { Id = id, Command = command }, KeyOf(app));
        using var response = await client.SendAsync(request, Cancellation).Soon();
        var answer = await response.Content.ReadAsByteArrayAsync(Cancellation).Soon();
        Assert.Equal(Ok, RawGrpc.StatusOf(response));
        return ExecuteResponse.Parser.ParseFrom(answer[RawGrpc.HeaderLength..]);
    }

    private static HttpRequestMessage Request(
        DistributedApplication app, string method, IMessage message, string? key)
    {
        var address = app.Services.GetRequiredService<DashboardSetup>().ResourceServiceUrl!;
        var request = RawGrpc.Request(address, Service + method, message.ToByteArray());
        if (key is not null)
        {
            request.Headers.Add("x-resource-service-api-key", key);
        }

        return request;
    }

    private static string KeyOf(DistributedApplication app) =>
        app.Services.GetRequiredService<DashboardSetup>().ResourceServiceApiKey;
}
