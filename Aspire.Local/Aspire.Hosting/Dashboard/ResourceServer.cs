using System.Net;
using Aspire.Hosting.Orchestration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Dashboard;

/// <summary>
/// Where the AppHost tells its dashboard of the resources: gRPC at <c>ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL</c>, on any
/// port of loopback where that is not set.
/// </summary>
internal sealed class ResourceServer(
    ResourceTeller teller, DashboardSetup dashboard, IConfiguration configuration) : IAsyncDisposable
{
    private WebApplication? _server;

    /// <summary>Starts, if there is a dashboard.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (dashboard.Resource is null)
        {
            return;
        }

        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            var wanted = configuration["ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL"] is { Length: > 0 } url
                ? DashboardSetup.Address(url, "its resource service")
                : null;
            kestrel.Listen(
                wanted is not null && IPAddress.TryParse(wanted.Host, out var address) ? address : IPAddress.Loopback,
                wanted?.Port is { } port && PortAllocator.IsFree(port) ? port : 0,
                listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddLogging(logging => logging.ClearProviders());
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(teller);
        _server = builder.Build();
        _server.UseRouting();
        _server.MapGrpcService<ResourceTeller>();
        await _server.StartAsync(cancellationToken);
        dashboard.ResourceServiceUrl = new Uri(_server.Urls.First());
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;
}
