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

    private volatile Renewals? _renewals;

    private TimeSpan DeadAfter => options.Value.DeadAfter;

    /// <summary>Whether renewals have gone well for a time without a gap, up to now.</summary>
    private bool IsSteady => _renewals is { } renewals && !IsGap(renewals)
        && clock.GetElapsedTime(renewals.Since, renewals.Last) >= DeadAfter;

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

        var last = clock.GetTimestamp();
        _renewals = new(Since: _renewals is { } before && !IsGap(before) ? before.Since : last, last);
    }

    /// <summary>Settles the holds that nobody has renewed for a time.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task SweepAsync(CancellationToken cancellationToken)
    {
        // After an outage all holds are old. Their replicas get the time to renew them.
        if (!IsSteady)
        {
            return;
        }

        // The renewals go on meanwhile, and a gap ends a sweep that is under way.
        var left = ledger.OpenAsync(account: null, notRenewedFor: DeadAfter, cancellationToken)
            .TakeWhile(_ => IsSteady).Where(hold => !running.Contains(hold.Holder));
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
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        // A sweep may take long, and renewals must not wait for it.
        Task.WhenAll(RepeatAsync(RenewAsync, stoppingToken), RepeatAsync(SweepAsync, stoppingToken));

    private async Task RepeatAsync(Func<CancellationToken, Task> round, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(DeadAfter / 6, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await round(stoppingToken);
            }
            catch (Exception failed) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning(failed, "The holds could not be renewed or swept; the next round will try again");
            }
        }
    }

    /// <summary>Whether it is long ago. The gap may be this replica's own: it was frozen, or cut off.</summary>
    private bool IsGap(Renewals renewals) => clock.GetElapsedTime(renewals.Last) > DeadAfter / 2;

    /// <summary>Renewals that went well without a gap.</summary>
    /// <param name="Since">When the first one ended.</param>
    /// <param name="Last">When the latest one ended.</param>
    private sealed record Renewals(long Since, long Last);
}
