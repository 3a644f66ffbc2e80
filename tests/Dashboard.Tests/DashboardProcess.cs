using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Dashboard.Tests;

/// <summary>The dashboard as a process of its own, on free ports, with no AppHost.</summary>
internal sealed class DashboardProcess : IDisposable
{
    /// <summary>What opens its pages.</summary>
    public const string Token = "token-of-a-test";

    /// <summary>What lets telemetry in.</summary>
    public const string ApiKey = "key-of-a-test";

    private const string Listening = "Now listening on: ";

    private readonly Process _process;

    private DashboardProcess(Process process) => _process = process;

    /// <summary>Where the pages and the API are.</summary>
    public Uri Frontend { get; private set; } = null!;

    /// <summary>Where OTLP/gRPC goes.</summary>
    public Uri Grpc { get; private set; } = null!;

    /// <summary>Where OTLP/HTTP goes.</summary>
    public Uri Http { get; private set; } = null!;

    /// <summary>The memory it has now, in bytes.</summary>
    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Starts it, and waits until it listens.</summary>
    public static async Task<DashboardProcess> StartAsync()
    {
        var dashboard = new DashboardProcess(Start(new()
        {
            ["DASHBOARD__FRONTEND__BROWSERTOKEN"] = Token,
            ["DASHBOARD__OTLP__PRIMARYAPIKEY"] = ApiKey,
        }));
        try
        {
            await dashboard.ReadAddressesAsync();
            return dashboard;
        }
        catch
        {
            dashboard.Dispose();
            throw;
        }
    }

    /// <summary>Runs it until it ends.</summary>
    /// <returns>Its exit code, and what it wrote on standard error.</returns>
    public static async Task<(int ExitCode, string Error)> RunAsync(Dictionary<string, string> variables)
    {
        using var process = Start(variables);
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(CancellationToken).Soon();
        await output.Soon();
        await process.WaitForExitAsync(CancellationToken).Soon();
        return (process.ExitCode, error);
    }

    /// <summary>A client without a cookie, with the token.</summary>
    public HttpClient CreateClient(string? token = Token)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = Frontend };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new("Bearer", token);
        return client;
    }

    /// <summary>Asks the API until it answers what is waited for.</summary>
    public async Task<JsonNode> AskAsync(string path, Func<JsonNode, bool> isEnough)
    {
        using var client = CreateClient();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            using var response = await client.GetAsync(path, patience.Token);
            if (response.StatusCode == HttpStatusCode.OK
                && await response.Content.ReadFromJsonAsync<JsonNode>(patience.Token) is { } answer && isEnough(answer))
            {
                return answer;
            }

            await Task.Delay(50, patience.Token);
        }
    }

    /// <summary>Sees that it answers and has not grown too large.</summary>
    public async Task AssertWellAsync()
    {
        using var client = CreateClient();
        using var response = await client.GetAsync("/health", CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.InRange(Memory, 0, 300L * 1024 * 1024);
    }

    /// <summary>Sends bytes as a call of OTLP/gRPC.</summary>
    /// <returns>The status of gRPC, or of HTTP where there is none.</returns>
    public async Task<string> CallAsync(
        string service, byte[] message, string? key = ApiKey, bool isPacked = false)
    {
        using var client = new HttpClient();
        using var request = RawGrpc.Request(
            Grpc, $"opentelemetry.proto.collector.{service}/Export", message, isPacked);
        if (key is not null)
        {
            request.Headers.Add("x-otlp-api-key", key);
        }

        using var response = await client.SendAsync(request, CancellationToken).Soon();
        await response.Content.ReadAsByteArrayAsync(CancellationToken).Soon();
        return RawGrpc.StatusOf(response);
    }

    /// <summary>Sends bytes by OTLP/HTTP.</summary>
    public async Task<HttpResponseMessage> PostAsync(
        string path, HttpContent content, string? key = ApiKey, string type = "application/x-protobuf")
    {
        using var client = new HttpClient { BaseAddress = Http };
        content.Headers.ContentType = new(type);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        if (key is not null)
        {
            request.Headers.Add("x-otlp-api-key", key);
        }

        return await client.SendAsync(request, CancellationToken).Soon();
    }

    public void Dispose()
    {
        _process.Kill();
        _process.Dispose();
    }

    private async Task ReadAddressesAsync()
    {
        var addresses = new List<Uri>();
        while (addresses.Count < 3)
        {
            var line = await _process.StandardOutput.ReadLineAsync(CancellationToken).AsTask().Soon()
                ?? throw new InvalidOperationException(await _process.StandardError.ReadToEndAsync());
            if (line.IndexOf(Listening, StringComparison.Ordinal) is var at and >= 0)
            {
                addresses.Add(new(line[(at + Listening.Length)..]));
            }
        }

        // So that a full pipe never holds it up.
        _ = _process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        _ = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        (Frontend, Grpc, Http) = (addresses[0], addresses[1], addresses[2]);
    }

    private static Process Start(Dictionary<string, string> variables)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(Program).Assembly.Location])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
            Environment =
            {
                ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
                ["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"] = "http://127.0.0.1:0",
                ["ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL"] = "http://127.0.0.1:0",
                ["Logging__LogLevel__Microsoft.Hosting.Lifetime"] = "Information",
            },
        };
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }
}

/// <summary>One dashboard for the tests of a class.</summary>
public sealed class DashboardFixture : IAsyncLifetime
{
    /// <summary>The dashboard.</summary>
    internal DashboardProcess Dashboard { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Dashboard = await DashboardProcess.StartAsync();

    public ValueTask DisposeAsync()
    {
        Dashboard?.Dispose();
        return ValueTask.CompletedTask;
    }
}
