using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;

namespace Identity.Service;

/// <summary>
/// Removes refresh tokens, families, counts of failed logins and API keys that are of no more use, so that the tables
/// stay as large as the logins of a few days. Every replica does it; deleting what is gone already does no harm.
/// </summary>
internal sealed class PruneTokens(
    IServiceProvider services, AuthOptions auth, TimeProvider clock, ILogger<PruneTokens> logger)
    : PeriodicService(TimeSpan.FromHours(1), clock, logger)
{
    /// <summary>How long a revoked API key stays to be looked into.</summary>
    private static readonly TimeSpan KeepRevokedKeys = TimeSpan.FromDays(30);

    /// <inheritdoc/>
    protected override async Task WorkAsync(CancellationToken stoppingToken)
    {
        await using var scope = services.CreateAsyncScope();
        var now = Clock.GetUtcNow();
        // A used token stays known for a lifetime, for its replay to be noticed.
        var threshold = now - auth.RefreshTokenLifetime;
        await scope.ServiceProvider.GetRequiredService<IOpenIddictTokenManager>()
            .PruneAsync(threshold, stoppingToken);
        await scope.ServiceProvider.GetRequiredService<IOpenIddictAuthorizationManager>()
            .PruneAsync(threshold, stoppingToken);
        await scope.ServiceProvider.GetRequiredService<Sessions>().PruneAsync(stoppingToken);
        await scope.ServiceProvider.GetRequiredService<LoginThrottle>().PruneAsync(stoppingToken);
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        var yesterday = Clock.UtcDay().AddDays(-1);
        await db.Registrations.Where(count => count.Day < yesterday).ExecuteDeleteAsync(stoppingToken);
        var longAgo = now - KeepRevokedKeys;
        await db.ApiKeys.Where(key => key.RevokedAt < longAgo || key.ExpiresAt < longAgo)
            .ExecuteDeleteAsync(stoppingToken);
    }
}
