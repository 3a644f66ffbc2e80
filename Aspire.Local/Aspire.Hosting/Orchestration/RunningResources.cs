namespace Aspire.Hosting.Orchestration;

/// <summary>The replicas that an orchestrator runs, for those that command them.</summary>
internal sealed class RunningResources
{
    private IReadOnlyList<ReplicaRunner> _replicas = [];

    /// <summary>Makes the replicas known.</summary>
    public void Set(IEnumerable<ReplicaRunner> replicas) => _replicas = [.. replicas];

    /// <summary>The replicas of a resource, or the one of an id.</summary>
    public IReadOnlyList<ReplicaRunner> Find(string resourceId) =>
        [.. _replicas.Where(replica => replica.Answers(resourceId))];
}
