using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.Extensions.Options;

namespace Chat.Service.Charges;

/// <summary>
/// Gives back what a crash has left charged without a reply. Each replica notes every few seconds what it has in
/// flight; when the notes of one stop coming, another undoes what was in the last one, and what the ledger has charged
/// around that time and nobody answers. A replica whose note cannot be written takes no chats on, so that nothing is
/// charged that no note can lead to. See docs/charging.md.
/// </summary>
/// <param name="services">Where what belongs to a scope comes from.</param>
/// <param name="inFlight">What this replica has in flight.</param>
/// <param name="notes">The notes of all.</param>
/// <param name="options">How often.</param>
/// <param name="metrics">Counts.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says what was given back.</param>
internal sealed class Reconciler(
    IServiceProvider services,
    InFlight inFlight,
    ReplicaNotes notes,
    IOptions<ChatSettings> options,
    ChatMetrics metrics,
    TimeProvider clock,
    ILogger<Reconciler> logger) : BackgroundService
{
    private const int MaxParallelUndos = 8;

    /// <summary>
    /// How long the ledger's answer to a charge, and undoing it when there is none, can take. Whoever still waits for
    /// one after that has asked for a charge that was somebody else's.
    /// </summary>
    private static readonly TimeSpan MaxPending = TimeSpan.FromSeconds(20);

    /// <summary>How much of the time after a last note is searched, whenever it is found.</summary>
    private static readonly TimeSpan MaxSearched = TimeSpan.FromMinutes(1);

    private readonly Guid _replica = Guid.NewGuid();
    private long _steadySince;
    private long _notedAt;

    /// <summary>Writes the first note, before the service listens.</summary>
    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await WriteNoteAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Removes the note, or leaves one of what is still to be undone by others.</summary>
    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await (inFlight.Charges is { Count: > 0 } left
                ? notes.WriteAsync(_replica, left, cancellationToken)
                : notes.RemoveAsync(_replica, cancellationToken));
        }
        catch (Exception failed)
        {
            logger.LogWarning(failed, "The last note of this replica was not written; another one will look after it");
        }
    }

    /// <summary>Brings the charges of one dead replica to an end.</summary>
    /// <param name="leftOut">Replicas that are not looked after now; the one that is joins them.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether there was one.</returns>
    internal async Task<bool> BuryAsync(ISet<Guid> leftOut, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var reply = scope.ServiceProvider.GetRequiredService<PaidReply>();
        var ledger = scope.ServiceProvider.GetRequiredService<LedgerClient>();
        return await notes.BuryAsync(
            leftOut,
            async dead =>
            {
                logger.LogWarning(
                    "Chat replica {Replica} has died with {Charges} chats in flight", dead.Id, dead.Charges.Count);
                var isPatient = dead.FoundAt < dead.SeenAt + options.Value.DeadAfter + MaxPending;
                var isDone = await UndoOrphansAsync(dead.Charges, isPatient, reply, cancellationToken);
                var (from, to) = SearchedTime(dead);
                await foreach (var page in ledger.ChargesAsync(from, to, cancellationToken))
                {
                    isDone &= await UndoOrphansAsync(page, isPatient, reply, cancellationToken);
                }

                return isDone;
            },
            cancellationToken);
    }

    /// <summary>Tries again to undo what could not be undone.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task SettleAsync(CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var reply = scope.ServiceProvider.GetRequiredService<PaidReply>();
        var failed = 0;
        await Parallel.ForEachAsync(
            inFlight.Unsettled, Undos(cancellationToken), async (charge, cancelled) =>
            {
                // When so many fail it is not because of them: the next round will do.
                if (Volatile.Read(ref failed) < MaxParallelUndos
                    && !(await reply.UndoAsync(charge, ReplyStatus.Refunded, cancelled)).IsSettled)
                {
                    Interlocked.Increment(ref failed);
                }
            });
    }

    /// <summary>One round over all dead replicas. One that cannot be buried does not keep the others waiting.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task BuryAllAsync(CancellationToken cancellationToken)
    {
        // After a time without a database the notes of all are old. They get the time to write new ones.
        if (clock.GetElapsedTime(_steadySince) < options.Value.Lease)
        {
            return;
        }

        var tried = new HashSet<Guid>();
        for (var more = true; more;)
        {
            var before = tried.Count;
            try
            {
                more = await BuryAsync(tried, cancellationToken);
            }
            catch (Exception failed) when (!cancellationToken.IsCancellationRequested && tried.Count > before)
            {
                logger.LogWarning(failed, "A dead replica's charges could not all be given back yet");
            }
        }
    }

    /// <summary>Notes what this replica has in flight.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task WriteNoteAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(options.Value.Lease);
        var now = clock.GetTimestamp();
        await notes.WriteAsync(_replica, inFlight.Charges, patience.Token);
        if (_notedAt == 0 || clock.GetElapsedTime(_notedAt, now) > options.Value.Lease)
        {
            _steadySince = clock.GetTimestamp();
        }

        _notedAt = now;
        inFlight.Noted(now);
    }

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync(WriteNoteAsync, "note its chats", stoppingToken),
        RepeatAsync(SettleAsync, "give back what it owes", stoppingToken),
        RepeatAsync(BuryAllAsync, "look after dead replicas", stoppingToken));

    private static ParallelOptions Undos(CancellationToken cancellationToken) =>
        new() { MaxDegreeOfParallelism = MaxParallelUndos, CancellationToken = cancellationToken };

    /// <summary>
    /// When the ledger may have written what was charged after a last note: for as long as that note allowed it, and
    /// the ledger took. Not the latest charges: those may be in notes that are yet to be written.
    /// </summary>
    private (DateTimeOffset From, DateTimeOffset To) SearchedTime(DeadReplica dead)
    {
        var settled = dead.FoundAt - (options.Value.DeadAfter * 0.4);
        var last = dead.SeenAt + MaxSearched;
        return (dead.SeenAt - options.Value.DeadAfter, settled < last ? settled : last);
    }

    private async Task RepeatAsync(Func<CancellationToken, Task> work, string what, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.NoteEvery, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await work(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                // The last note, at the stop, says all that is left.
            }
            catch (Exception failed)
            {
                logger.LogWarning(failed, "This replica could not {What} and will try again", what);
            }
        }
    }

    /// <summary>Undoes those of some charges that have no reply and nobody who answers them.</summary>
    /// <returns>Whether nothing is left of which that is not known yet.</returns>
    private async Task<bool> UndoOrphansAsync(
        IReadOnlyList<ChatCharge> charges, bool isPatient, PaidReply reply, CancellationToken cancellationToken)
    {
        var orphans = await notes.OrphansAsync([.. charges.Select(charge => charge.Id)], cancellationToken);
        await Parallel.ForEachAsync(
            charges.Where(charge => orphans.TryGetValue(charge.Id, out var isAskedFor) && !(isAskedFor && isPatient)),
            Undos(cancellationToken),
            async (charge, cancelled) =>
            {
                var result = await reply.UndoAsync(charge, ReplyStatus.Refunded, cancelled);
                if (!result.IsSettled)
                {
                    throw new InvalidOperationException($"The orphaned charge {charge.Id} cannot be given back yet.");
                }

                if (result.Status is not ReplyStatus.Stored)
                {
                    logger.LogWarning("Gave the orphaned charge {Charge} back to {User}", charge.Id, charge.UserId);
                    metrics.Reconciled();
                }
            });
        return !isPatient || !orphans.Values.Contains(true);
    }
}
