using System.Runtime.CompilerServices;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace Gateway.Routing;

/// <summary>
/// Leaves a replica out as soon as it says that it stops, and after a few probes without an answer: one that is slow
/// once is not down, and a dead one is found by the first request.
/// </summary>
internal sealed class ProbePolicy(IDestinationHealthUpdater updater) : IActiveHealthCheckPolicy
{
    /// <summary>The name by which clusters choose the policy.</summary>
    public const string PolicyName = "Probes";

    private const int MaxUnanswered = 3;

    private readonly ConditionalWeakTable<DestinationState, StrongBox<int>> _unanswered = [];

    public string Name => PolicyName;

    public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults) =>
        updater.SetActive(
            cluster,
            [.. probingResults.Select(probe => new NewActiveDestinationHealth(probe.Destination, HealthOf(probe)))]);

    private DestinationHealth HealthOf(DestinationProbingResult probe)
    {
        var unanswered = _unanswered.GetOrCreateValue(probe.Destination);
        unanswered.Value = probe.Response is null ? unanswered.Value + 1 : 0;
        return probe.Response is { IsSuccessStatusCode: false } || unanswered.Value >= MaxUnanswered
            ? DestinationHealth.Unhealthy
            : DestinationHealth.Healthy;
    }
}
