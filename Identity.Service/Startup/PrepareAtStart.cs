using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>
/// After the migration and before the server listens: loads the keys and makes sure of the clients and the admin.
/// Replicas that start together take turns under an advisory lock, so that only the first creates anything.
/// </summary>
/// <param name="services">Where the steps come from.</param>
internal sealed class PrepareAtStart(IServiceProvider services) : IHostedService
{
    /// <summary>The lock's number in identitydb. Any will do as long as it stays the same.</summary>
    private const long LockId = 0x1DE47171;

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        await db.Database.OpenConnectionAsync(cancellationToken);
        await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_lock({LockId})", cancellationToken);
        try
        {
            await scope.ServiceProvider.GetRequiredService<SigningKeys>().LoadAsync(db, cancellationToken);
            await scope.ServiceProvider.GetRequiredService<ServiceClients>().EnsureAsync(cancellationToken);
            await scope.ServiceProvider.GetRequiredService<BootstrapAdmin>().EnsureAsync();
        }
        finally
        {
            await db.Database.ExecuteSqlAsync($"SELECT pg_advisory_unlock({LockId})", CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
