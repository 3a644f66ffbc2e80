using System.Net;
using Aspire.Dashboard.Telemetry;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Aspire.Dashboard.Access;

/// <summary>What the dashboard listens for, each at an address of its own.</summary>
internal enum DashboardAddress
{
    /// <summary>Pages and the API: <c>ASPNETCORE_URLS</c>.</summary>
    Frontend,

    /// <summary>OTLP/gRPC: <c>ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL</c>.</summary>
    OtlpGrpc,

    /// <summary>OTLP/HTTP: <c>ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL</c>.</summary>
    OtlpHttp,
}

/// <summary>Listens, and keeps what belongs to one address off the others.</summary>
internal static class DashboardAddresses
{
    private const int MaxConnections = 500;

    /// <summary>
    /// Makes the server listen where the environment says. An address that is not given is not listened on.
    /// </summary>
    public static void ListenAtAddresses(this WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = Limits.RequestBytes;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            Listen(kestrel, configuration.FrontendUrls(), DashboardAddress.Frontend);
            Listen(kestrel, configuration["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"], DashboardAddress.OtlpGrpc);
            Listen(kestrel, configuration["ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL"], DashboardAddress.OtlpHttp);
        });
    }

    /// <summary>Where the pages are, with semicolons between.</summary>
    public static string FrontendUrls(this IConfiguration configuration) =>
        configuration["ASPNETCORE_URLS"] ?? "http://localhost:18888";

    /// <summary>Answers 404 to what is asked at an address that it does not belong to. Goes after routing.</summary>
    public static void UseAddresses(this WebApplication app) => app.Use(async (context, next) =>
    {
        var items = context.Features.Get<IConnectionItemsFeature>()?.Items;
        var asked = items?.TryGetValue(nameof(DashboardAddress), out var address) == true
            ? (DashboardAddress)address!
            : DashboardAddress.Frontend;
        var belongs = context.GetEndpoint()?.Metadata.OfType<DashboardAddress>().FirstOrDefault();
        if (context.GetEndpoint() is null || asked == (belongs ?? DashboardAddress.Frontend))
        {
            await next(context);
            return;
        }

        var wrong = TypedResults.Problem(
            $"This is not the dashboard's address for that, but the one for {asked}.",
            statusCode: StatusCodes.Status404NotFound);
        await wrong.ExecuteAsync(context);
    });

    private static void Listen(KestrelServerOptions kestrel, string? urls, DashboardAddress address)
    {
        foreach (var url in (urls ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            var uri = new Uri(url);
            if (IPAddress.TryParse(uri.Host, out var ip))
            {
                kestrel.Listen(ip, uri.Port, options => Mark(options, uri, address));
            }
            else if (uri.IsLoopback)
            {
                kestrel.ListenLocalhost(uri.Port, options => Mark(options, uri, address));
            }
            else
            {
                kestrel.ListenAnyIP(uri.Port, options => Mark(options, uri, address));
            }
        }
    }

    private static void Mark(ListenOptions options, Uri uri, DashboardAddress address)
    {
        // Without TLS a client cannot ask for HTTP/2: it has to be the only one there.
        options.Protocols = address == DashboardAddress.OtlpGrpc ? HttpProtocols.Http2 : HttpProtocols.Http1;
        if (uri.Scheme == Uri.UriSchemeHttps)
        {
            options.UseHttps();
        }

        options.Use(next => connection =>
        {
            connection.Items[nameof(DashboardAddress)] = address;
            return next(connection);
        });
    }
}
