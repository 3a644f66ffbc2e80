using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests;

/// <summary>The real gateway, with its own Program and appsettings.json, on a random port.</summary>
public sealed class GatewayServer : WebApplicationFactory<Program>
{
    private readonly (string Service, string Address)[] _replicas;
    private readonly Action<IServiceCollection>? _change;
    private readonly Dictionary<string, string> _settings = [];
    private bool _isHttp2;

    /// <param name="replicas">The replicas of each service, as an AppHost would announce them.</param>
    public GatewayServer(params (string Service, string Address)[] replicas)
        : this(change: null, replicas)
    {
    }

    /// <param name="change">Puts a test's own in place of a service.</param>
    /// <param name="replicas">The replicas of each service, as an AppHost would announce them.</param>
    public GatewayServer(Action<IServiceCollection>? change, params (string Service, string Address)[] replicas)
    {
        (_change, _replicas) = (change, replicas);
        UseKestrel();
    }

    /// <summary>Sets a part of the configuration, before the start.</summary>
    public GatewayServer With(string key, string value)
    {
        _settings[key] = value;
        return this;
    }

    /// <summary>Lets it speak nothing but HTTP/2, which it otherwise does by HTTPS only.</summary>
    public GatewayServer WithHttp2()
    {
        _isHttp2 = true;
        return this;
    }

    public Task StartAsync() => Task.Run(StartServer).Soon();

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        // Not by UseKestrel(0), which sets the address when the gateway may have started.
        builder.UseUrls("http://127.0.0.1:0");
        foreach (var replicas in _replicas.GroupBy(replica => replica.Service))
        {
            foreach (var (number, replica) in replicas.Index())
            {
                builder.UseSetting($"services:{replica.Service}:http:{number}", replica.Address);
            }
        }

        builder.UseSetting("Identity:ClientSecret", "a secret of the tests");
        foreach (var (key, value) in _settings)
        {
            builder.UseSetting(key, value);
        }

        builder.ConfigureLogging(logging => logging.ClearProviders());
        builder.ConfigureTestServices(services =>
        {
            _change?.Invoke(services);
            if (_isHttp2)
            {
                services.PostConfigure<KestrelServerOptions>(kestrel => kestrel.ConfigureEndpointDefaults(endpoint =>
                    endpoint.Protocols = HttpProtocols.Http2));
            }
        });
    }
}

/// <summary>Calls, and what all errors have in common.</summary>
internal static class GatewayCalls
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static Task<HttpResponseMessage> CallAsync(
        this HttpClient client, string method, string path, string? token = null, HttpContent? content = null)
    {
        // Not canonicalized: what is sent is what the test says, dots and all.
        var address = new Uri(
            client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path,
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(method), address) { Content = content };
        request.Headers.Authorization = token is null ? null : new("Bearer", token);
        return client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, CancellationToken).Soon();
    }

    public static async Task ProblemAsync(this HttpResponseMessage response, HttpStatusCode expected)
    {
        var text = await response.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.True(response.StatusCode == expected, $"Expected {expected}, got {response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<Problem>(text, JsonSerializerOptions.Web)!;
        Assert.Equal((int)expected, problem.Status);
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail), "An error says in a sentence what is wrong.");
        Assert.False(string.IsNullOrWhiteSpace(problem.TraceId), "An error carries its trace id.");
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
    }

    private sealed record Problem(int Status, string? Detail, string? TraceId);
}
