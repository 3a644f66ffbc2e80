[assembly: AssemblyFixture(typeof(Gateway.Tests.GatewayFixture))]

namespace Gateway.Tests;

/// <summary>
/// A gateway before an identity service and two replicas of the ledger and the chat service, once for all tests. Tests
/// tell their requests from others' by a query of their own.
/// </summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    private readonly Dictionary<string, List<Destination>> _services = [];
    private GatewayServer? _gateway;

    public GatewayServer Gateway => _gateway ?? throw new InvalidOperationException("The gateway has not started.");

    public TokenIssuer Issuer { get; } = new();

    public async ValueTask InitializeAsync()
    {
        _services["identity"] = [await Destination.StartAsync(Issuer.ServeAsync)];
        _services["ledger"] = [await Destination.StartAsync(), await Destination.StartAsync()];
        _services["chat"] = [await Destination.StartAsync(), await Destination.StartAsync()];
        _gateway = new GatewayServer([.. _services.SelectMany(
            service => service.Value.Select(replica => (service.Key, replica.Address)))]);
        await _gateway.StartAsync();
    }

    /// <summary>The replicas of a service.</summary>
    internal IReadOnlyList<Destination> Replicas(string service) => _services[service];

    /// <summary>What reached which service with this query.</summary>
    internal IEnumerable<(string Service, ReachedRequest Request)> Reached(string query) =>
        from service in _services
        from replica in service.Value
        from request in replica.Reached
        where request.Query == query
        select (service.Key, request);

    public async ValueTask DisposeAsync()
    {
        await (_gateway?.DisposeAsync() ?? ValueTask.CompletedTask);
        foreach (var replica in _services.Values.SelectMany(replicas => replicas))
        {
            await replica.DisposeAsync();
        }

        Issuer.Dispose();
    }
}
