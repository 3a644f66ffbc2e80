using AppHost.Servers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AppHost;

/// <summary>
/// Stops the services before the servers that they use; Aspire's orchestrator would stop all at once. Hosted services
/// stop last to first, so this one does before the orchestrator.
/// </summary>
internal sealed class StopOrder(
    DistributedApplicationModel model,
    ResourceNotificationService notifications,
    ResourceCommandService commands,
    ILogger<StopOrder> logger) : IHostedService
{
    /// <summary>Longer than chats under way may go on: <c>Chat__DrainFor</c>.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(6);

    private bool _isDone;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_isDone)
        {
            return; // Aspire.Hosting.Testing stops an application twice; the orchestrator is gone by then.
        }

        _isDone = true;
        await StopAsync(model.Resources.OfType<ProjectResource>(), cancellationToken);
        await StopAsync(model.Resources.OfType<PostgresProcessResource>(), cancellationToken);
    }

    /// <summary>Stops those that run; one that waits for another would be waited for until it has started.</summary>
    private async Task StopAsync(IEnumerable<IResource> resources, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(resources.Where(IsRunning).Select(resource => commands.ExecuteCommandAsync(
                resource, KnownResourceCommands.StopCommand, cancellationToken)))
                .WaitAsync(Patience, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            logger.LogWarning("Some resources took longer than {Patience} to stop", Patience);
        }
    }

    private bool IsRunning(IResource resource) => notifications.TryGetCurrentState(resource.Name, out var now)
        && now.Snapshot.State?.Text == KnownResourceStates.Running;
}

/// <summary>Adds the order.</summary>
internal static class StopOrderExtensions
{
    /// <summary>Stops the services first, and ends the AppHost when everything has ended.</summary>
    public static void AddStopOrder(this IDistributedApplicationBuilder builder)
    {
        builder.Configuration["DcpPublisher:WaitForResourceCleanup"] = "true";
        builder.Services.AddHostedService<StopOrder>();
    }
}
