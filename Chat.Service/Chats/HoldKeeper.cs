using Chat.Service.Ledger;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// Renews the holds of the chats that this replica answers, and settles those that nobody renews: a replica that died
/// has left them. The ledger never ends a hold by itself. See docs/charging.md.
/// </summary>
/// <param name="running">The chats that this replica answers.</param>
/// <param name="ledger">The holds.</param>
/// <param name="settlement">Settles holds.</param>
/// <param name="options">After how long a replica that does not renew counts as dead.</param>
/// <param name="metrics">Counts.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says what was settled.</param>
internal sealed class HoldKeeper(
    RunningChats running,
    LedgerClient ledger,
    Settlement settlement,
    IOptions<ChatSettings> options,
    ChatMetrics metrics,
    TimeProvider clock,
    ILogger<HoldKeeper> logger) : BackgroundService
{
    private const int MaxParallel = 16;

    /// <summary>How long storing and settling may take when the model's time is over.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(20);

    private long _steadySince;
    private long _renewedAt;

    private TimeSpan DeadAfter => options.Value.DeadAfter;

    /// <summary>Renews the holds that are a third of the time old; fresh ones end by themselves soon.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task RenewAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetTimestamp();
        var old = running.All.Where(chat => clock.GetElapsedTime(chat.BeganAt, now) is var age
            && age >= DeadAfter / 3 && age < chat.Timeout + Settling).ToList();
        foreach (var some in old.Chunk(LedgerClient.MaxRenewed).DefaultIfEmpty([]))
        {
            var gone = await ledger.RenewAsync(some.Select(chat => chat.Chat), cancellationToken);
            foreach (var chat in some.IntersectBy(gone, chat => new(chat.Chat.UserId, chat.Chat.Id)))
            {
                chat.Lose();
            }
        }

        // A gap may be this replica's own: it was frozen, or cut off.
        if (_renewedAt == 0 || clock.GetElapsedTime(_renewedAt) > DeadAfter / 2)
        {
            _steadySince = clock.GetTimestamp();
        }

        _renewedAt = clock.GetTimestamp();
    }

    /// <summary>Settles the holds that nobody has renewed for a time.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task SweepAsync(CancellationToken cancellationToken)
    {
        // After an outage all holds are old. Their replicas get the time to renew them.
        if (_renewedAt == 0 || clock.GetElapsedTime(_steadySince, _renewedAt) < DeadAfter)
        {
            return;
        }

        var left = ledger.OpenAsync(account: null, notRenewedFor: DeadAfter, cancellationToken)
            .Where(hold => !running.Contains(hold.Holder));
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = MaxParallel, CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(left, parallel, async (hold, cancelled) =>
        {
            try
            {
                var row = await settlement.SettleAsync(hold, cancelled);
                metrics.Swept();
                logger.LogWarning("Hold {Hold} of {User} was left open: {Status}", hold.Id, hold.Account, row.Status);
            }
            catch (Exception failed) when (!cancelled.IsCancellationRequested)
            {
                logger.LogWarning(failed, "Hold {Hold} of {User} could not be settled yet", hold.Id, hold.Account);
            }
        });
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(DeadAfter / 6, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RenewAsync(stoppingToken);
                await SweepAsync(stoppingToken);
            }
            catch (Exception failed) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning(failed, "The holds could not be renewed or swept; the next round will try again");
            }
        }
    }
}
