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
    DistributedApplicationModel model, ResourceCommandService commands, ILogger<StopOrder> logger) : IHostedService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

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
        try
        {
            await StopAsync(model.Resources.OfType<ProjectResource>()
                .Where(service => !service.Annotations.OfType<ExplicitStartupAnnotation>().Any()), cancellationToken);
            await StopAsync(model.Resources.OfType<PostgresProcessResource>(), cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            logger.LogWarning("Some services took longer than {Patience} to stop", Patience);
        }
    }

    private async Task StopAsync(IEnumerable<IResource> resources, CancellationToken cancellationToken) =>
        await Task.WhenAll(resources.Select(resource => commands.ExecuteCommandAsync(
            resource, KnownResourceCommands.StopCommand, cancellationToken))).WaitAsync(Patience, cancellationToken);
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
