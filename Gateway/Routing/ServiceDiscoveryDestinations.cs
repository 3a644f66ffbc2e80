using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.ServiceDiscovery;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace Gateway.Routing;

/// <summary>
/// Turns a destination such as <c>http://chat</c> into one destination per replica that service discovery knows, and
/// follows its changes. YARP's own package for this is not served by every registry.
/// </summary>
internal sealed class ServiceDiscoveryDestinations(ServiceEndpointResolver resolver) : IDestinationResolver
{
    public async ValueTask<ResolvedDestinationCollection> ResolveDestinationsAsync(
        IReadOnlyDictionary<string, DestinationConfig> destinations, CancellationToken cancellationToken)
    {
        var resolved = new Dictionary<string, DestinationConfig>();
        var changes = new List<IChangeToken>();
        foreach (var (name, destination) in destinations)
        {
            var service = new Uri(destination.Address);
            var source = await resolver.GetEndpointsAsync(service.GetLeftPart(UriPartial.Authority), cancellationToken);
            changes.Add(source.ChangeToken);
            foreach (var endpoint in source.Endpoints)
            {
                var address = endpoint.AddressOf(service);
                resolved[$"{name}[{address}]"] = destination with { Address = address };
            }
        }

        return new ResolvedDestinationCollection(resolved, new CompositeChangeToken(changes));
    }
}

/// <summary>Registers the resolver.</summary>
internal static class ServiceDiscoveryDestinationsExtensions
{
    /// <summary>Lets clusters name services instead of addresses.</summary>
    /// <param name="proxy">The proxy's builder.</param>
    /// <returns>The same builder.</returns>
    public static IReverseProxyBuilder AddServiceDiscoveryDestinations(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton<IDestinationResolver, ServiceDiscoveryDestinations>();
        return proxy;
    }
}
