using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace Gateway.Routing;

/// <summary>
/// Keeps requests from replicas that are down, in every cluster alike: each replica is asked twice a second whether it
/// lives, and one that breaks a connection is left out at once, for longer than probes take to find out.
/// </summary>
internal sealed class ReplicaHealth : IProxyConfigFilter
{
    /// <summary>How long a replica is left out after a broken connection, unless the active probes say more.</summary>
    internal static readonly TimeSpan Pause = TimeSpan.FromSeconds(3);

    private static readonly HealthCheckConfig HealthCheck = new()
    {
        Active = new ActiveHealthCheckConfig
        {
            Enabled = true,
            Interval = TimeSpan.FromSeconds(0.5),
            Timeout = TimeSpan.FromSeconds(1),
            Path = "/alive",
            Policy = ProbePolicy.PolicyName,
        },
        Passive = new PassiveHealthCheckConfig { Enabled = true, Policy = BrokenConnectionPolicy.PolicyName },
    };

    public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel) =>
        new(cluster with { HealthCheck = HealthCheck });

    public ValueTask<RouteConfig> ConfigureRouteAsync(
        RouteConfig route, ClusterConfig? cluster, CancellationToken cancel) => new(route);
}

/// <summary>Leaves a replica out as soon as one request finds nobody there, or gets no answer.</summary>
internal sealed class BrokenConnectionPolicy(IDestinationHealthUpdater updater) : IPassiveHealthCheckPolicy
{
    /// <summary>The name by which clusters choose the policy.</summary>
    public const string PolicyName = "BrokenConnection";

    private readonly Lock _lock = new(); // Two that break at once would each see the other one as well.

    public string Name => PolicyName;

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination)
    {
        // Other errors are the client's doing.
        if (context.GetForwarderErrorFeature()?.Error is not (ForwarderError.Request or ForwarderError.RequestTimedOut))
        {
            return;
        }

        lock (_lock)
        {
            // The only one left stays: without it the proxy would take all, also those that are known to be down.
            if (cluster.DestinationsState.AllDestinations.Any(other => other != destination && IsIn(other.Health)))
            {
                updater.SetPassive(cluster, destination, DestinationHealth.Unhealthy, ReplicaHealth.Pause);
            }
        }
    }

    private static bool IsIn(DestinationHealthState health) =>
        health.Passive is not DestinationHealth.Unhealthy && health.Active is not DestinationHealth.Unhealthy;
}

/// <summary>Registers the health checks.</summary>
internal static class ReplicaHealthExtensions
{
    /// <summary>Keeps requests from replicas that are down.</summary>
    public static IReverseProxyBuilder AddReplicaHealth(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddSingleton<IPassiveHealthCheckPolicy, BrokenConnectionPolicy>();
        proxy.Services.AddSingleton<IActiveHealthCheckPolicy, ProbePolicy>();
        return proxy.AddConfigFilter<ReplicaHealth>();
    }
}
