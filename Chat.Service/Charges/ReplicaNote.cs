namespace Chat.Service.Charges;

/// <summary>
/// What a replica has in flight, by its own word, a few seconds old at most. When the word stops coming, the others
/// bring its charges to an end. Written and read by <see cref="ReplicaNotes"/> alone.
/// </summary>
internal sealed class ReplicaNote
{
    /// <summary>The replica: new at each start.</summary>
    public Guid Id { get; init; }

    /// <summary>When it last said so, by the database's clock.</summary>
    public DateTimeOffset SeenAt { get; init; }

    /// <summary>Whether its charges have been brought to an end once. It is looked after once more, later.</summary>
    public bool IsBuried { get; init; }

    /// <summary>The charges.</summary>
    public required Guid[] Charges { get; init; }

    /// <summary>Who pays each of them.</summary>
    public required long[] Users { get; init; }

    /// <summary>What each of them costs, in tokens.</summary>
    public required long[] Costs { get; init; }

    /// <summary>Of each of them, whether the ledger has charged it for this replica and no other one.</summary>
    public required bool[] Ours { get; init; }
}
