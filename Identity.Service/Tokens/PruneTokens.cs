using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;

namespace Identity.Service;

/// <summary>
/// Removes refresh tokens, families, counts of failed logins and API keys that are of no more use, so that the tables
/// stay as large as the logins of a few days. Every replica does it; deleting what is gone already does no harm.
/// </summary>
/// <param name="services">Where the stores come from.</param>
/// <param name="auth">How long tokens live.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">For what failed.</param>
internal sealed partial class PruneTokens(
    IServiceProvider services, AuthOptions auth, TimeProvider clock, ILogger<PruneTokens> logger) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromHours(1);

    /// <summary>How long a revoked API key stays to be looked into.</summary>
    private static readonly TimeSpan KeepRevokedKeys = TimeSpan.FromDays(30);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await using var scope = services.CreateAsyncScope();
                // A used token stays known for a lifetime, for its replay to be noticed.
                var threshold = clock.GetUtcNow() - auth.RefreshTokenLifetime;
                await scope.ServiceProvider.GetRequiredService<IOpenIddictTokenManager>()
                    .PruneAsync(threshold, stoppingToken);
                await scope.ServiceProvider.GetRequiredService<IOpenIddictAuthorizationManager>()
                    .PruneAsync(threshold, stoppingToken);
                await scope.ServiceProvider.GetRequiredService<Sessions>().PruneAsync(stoppingToken);
                await scope.ServiceProvider.GetRequiredService<LoginThrottle>().PruneAsync(stoppingToken);
                var yesterday = DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime).AddDays(-1);
                await scope.ServiceProvider.GetRequiredService<IdentityDb>().Registrations
                    .Where(count => count.Day < yesterday).ExecuteDeleteAsync(stoppingToken);
                var revokedBefore = clock.GetUtcNow() - KeepRevokedKeys;
                await scope.ServiceProvider.GetRequiredService<IdentityDb>().ApiKeys
                    .Where(key => key.RevokedAt < revokedBefore).ExecuteDeleteAsync(stoppingToken);
            }
            catch (Exception failed) when (failed is not OperationCanceledException)
            {
                // The database was away, say. The next round catches up.
                Failed(logger, failed);
            }
        }
    }

    [LoggerMessage(1101, LogLevel.Warning, "Old tokens could not be removed", EventName = "PruneFailed")]
    private static partial void Failed(ILogger logger, Exception exception);
}
