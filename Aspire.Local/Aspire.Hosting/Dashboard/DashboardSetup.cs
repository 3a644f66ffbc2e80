using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Dashboard;

/// <summary>
/// Whether there is a dashboard, where it listens, and where telemetry goes. It listens at the AppHost's own
/// <c>ASPNETCORE_URLS</c>, and is left out where there is none, or <c>Aspire:Local:Dashboard</c> is false.
/// </summary>
internal sealed class DashboardSetup(IConfiguration configuration)
{
    private const string UrlsKey = "ASPNETCORE_URLS";
    private const string OtlpKey = "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL";
    private const string OtlpHttpKey = "ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL";
    private const string PathKey = "aspiredashboardpath";
    private const string DefaultOtlpUrl = "http://localhost:18889";
    private const string DefaultOtlpHttpUrl = "http://localhost:18890";

    private readonly string _otlpApiKey = configuration["AppHost:OtlpApiKey"] ?? NewSecret();

    /// <summary>What opens the pages: <c>/login?t=…</c>.</summary>
    public string BrowserToken { get; } = configuration["AppHost:BrowserToken"]
        ?? configuration["ASPIRE_DASHBOARD_FRONTEND_BROWSERTOKEN"] ?? NewSecret();

    /// <summary>By which the AppHost knows its dashboard.</summary>
    public string ResourceServiceApiKey { get; } = NewSecret();

    /// <summary>The dashboard; null when there is none.</summary>
    public DashboardResource? Resource { get; private set; }

    /// <summary>Where processes send their telemetry; null when nowhere.</summary>
    public string? OtlpUrl => IsReceiver
        ? Url(DashboardResource.OtlpGrpc)
        : configuration[OtlpKey] is { Length: > 0 } url ? url : null;

    /// <summary>What they send along, to be let in; null when nothing.</summary>
    public string? OtlpHeaders => IsReceiver ? $"x-otlp-api-key={_otlpApiKey}" : null;

    /// <summary>The address that opens the pages.</summary>
    public string LoginUrl => $"{Url("http")}/login?t={BrowserToken}";

    /// <summary>What must not be shown.</summary>
    public IReadOnlyList<string> Secrets => [BrowserToken, ResourceServiceApiKey, _otlpApiKey];

    private bool IsReceiver => Resource?.Annotations.OfType<EndpointAnnotation>()
        .Any(endpoint => endpoint.Name == DashboardResource.OtlpGrpc) == true;

    /// <summary>Adds the dashboard to the application, if it is to have one.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="isTest">Whether a test runs it, which has no address of its own: any will do.</param>
    public void AddTo(IDistributedApplicationBuilder builder, bool isTest)
    {
        var url = configuration[UrlsKey]?.Split(';')[0] is { Length: > 0 } given ? given
            : isTest ? "http://localhost:0" : null;
        var assembly = builder.AppHostAssembly?.GetCustomAttributes<AssemblyMetadataAttribute>()
            .FirstOrDefault(item => item.Key == PathKey)?.Value;
        if (url is null || assembly is null || !configuration.GetValue("Aspire:Local:Dashboard", true))
        {
            return;
        }

        Resource = new DashboardResource();
        AddEndpoint("http", url);
        if (configuration[OtlpKey] is not { Length: > 0 } otlp)
        {
            AddEndpoint(DashboardResource.OtlpGrpc, isTest ? "http://localhost:0" : DefaultOtlpUrl);
        }
        else if (Address(otlp, OtlpKey) is { IsLoopback: true } address && PortAllocator.IsFree(address.Port))
        {
            AddEndpoint(DashboardResource.OtlpGrpc, otlp);
        }

        AddEndpoint(
            DashboardResource.OtlpHttp,
            configuration[OtlpHttpKey] ?? (isTest ? "http://localhost:0" : DefaultOtlpHttpUrl));
        builder.AddResource(Resource)
            .WithAnnotation(new ProcessAnnotation((_, _) => Task.FromResult(Describe(assembly))))
            .WithHttpHealthCheck("/health", endpointName: "http");
    }

    /// <summary>
    /// Takes other ports in place of those that somebody has, and says so: nothing depends on a dashboard's address.
    /// </summary>
    public void GiveWayToOthers(ILogger logger)
    {
        foreach (var endpoint in Resource?.Annotations.OfType<EndpointAnnotation>() ?? [])
        {
            if (endpoint.Port is > 0 and var port && !PortAllocator.IsFree(port))
            {
                logger.LogWarning(
                    "Port {Port} of the dashboard ({Endpoint}) is taken by {Owner}: it listens on another one",
                    port, endpoint.Name, PortOwner.Describe(port));
                endpoint.Port = null;
            }
        }
    }

    /// <summary>Where the AppHost tells the dashboard of its resources.</summary>
    public Uri? ResourceServiceUrl { get; set; }

    /// <summary>An address that can be listened on, or sent to.</summary>
    /// <exception cref="DistributedApplicationException">It is none.</exception>
    public static Uri Address(string url, string name) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https")
            ? uri
            : throw new DistributedApplicationException(
                $"'{url}' is no address for the dashboard ({name}): use one such as http://localhost:18888.");

    private static string NewSecret() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    private void AddEndpoint(string name, string url)
    {
        var uri = Address(url, name);
        Resource!.Annotations.Add(new EndpointAnnotation(ProtocolType.Tcp, uri.Scheme, name: name, port: uri.Port)
        {
            TargetHost = uri.Host,
        });
    }

    private string? Url(string endpoint) => Resource?.Annotations.OfType<EndpointAnnotation>()
        .FirstOrDefault(e => e.Name == endpoint)?.AllocatedEndpoint?.UriString;

    private ProcessSpec Describe(string assembly) => !File.Exists(assembly)
        ? throw new DistributedApplicationException($"The dashboard ({assembly}) is not built.")
        : new ProcessSpec(ProjectProcess.DotNet)
        {
            Arguments = ["exec", assembly],
            WorkingDirectory = Path.GetDirectoryName(assembly),
            StopTimeout = TimeSpan.FromSeconds(2), // It keeps nothing.
            Environment = new Dictionary<string, string>
            {
                ["DOTNET_ENVIRONMENT"] = "Production",
                ["ASPNETCORE_ENVIRONMENT"] = "Production",
                [UrlsKey] = Url("http")!,
                [OtlpKey] = Url(DashboardResource.OtlpGrpc) ?? "",
                [OtlpHttpKey] = Url(DashboardResource.OtlpHttp)!,
                ["DASHBOARD__FRONTEND__BROWSERTOKEN"] = BrowserToken,
                ["DASHBOARD__OTLP__PRIMARYAPIKEY"] = _otlpApiKey,
                ["DASHBOARD__RESOURCESERVICECLIENT__URL"] = $"{ResourceServiceUrl}",
                ["DASHBOARD__RESOURCESERVICECLIENT__APIKEY"] = ResourceServiceApiKey,
            },
        };
}
