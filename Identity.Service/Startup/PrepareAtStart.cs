namespace Identity.Service;

/// <summary>
/// After the migration and before the server listens: loads the keys and makes sure of the clients and the admin.
/// Replicas that start together take turns under an advisory lock, so that only the first creates anything.
/// </summary>
/// <param name="services">Where the steps come from.</param>
internal sealed class PrepareAtStart(IServiceProvider services) : IHostedService
{
    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        await db.InTurnAsync(
            Turns.AtStart,
            async () =>
            {
                await scope.ServiceProvider.GetRequiredService<KeyRing>().CheckAsync(cancellationToken);
                await scope.ServiceProvider.GetRequiredService<SigningKeys>().MakeDueAsync(db, cancellationToken);
                await scope.ServiceProvider.GetRequiredService<ServiceClients>().EnsureAsync(cancellationToken);
                await scope.ServiceProvider.GetRequiredService<BootstrapAdmin>().EnsureAsync();
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
