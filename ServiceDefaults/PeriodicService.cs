using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Does some work again and again until the service stops. A round that fails is logged, and the next one tries again:
/// the database was away, say. Each replica does it, so it must be work that may be done twice.
/// </summary>
/// <param name="period">The time from the begin of one round to that of the next.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">For what failed.</param>
/// <param name="atOnce">Whether the first round is at the start, and not a period later.</param>
public abstract class PeriodicService(TimeSpan period, TimeProvider clock, ILogger logger, bool atOnce = false)
    : BackgroundService
{
    /// <summary>The time.</summary>
    protected TimeProvider Clock => clock;

    /// <summary>For what is to be said about the work.</summary>
    protected ILogger Logger => logger;

    /// <summary>Does it once.</summary>
    /// <param name="stoppingToken">The service stops.</param>
    /// <returns>The end of the round.</returns>
    protected abstract Task WorkAsync(CancellationToken stoppingToken);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, clock);
        if (!atOnce)
        {
            await timer.WaitForNextTickAsync(stoppingToken);
        }

        do
        {
            try
            {
                await WorkAsync(stoppingToken);
            }
            catch (Exception failed) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning(failed, "{Service} failed, and is tried again", GetType().Name);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
