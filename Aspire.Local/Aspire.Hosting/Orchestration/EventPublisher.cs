using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Eventing;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>Tells subscribers what happens to the application and its resources, at the moments Aspire does.</summary>
internal sealed class EventPublisher(
    IDistributedApplicationEventing eventing,
    DistributedApplicationModel model,
    IServiceProvider services,
    ILogger<DistributedApplication> logger)
{
    public Task BeforeStartAsync(CancellationToken cancellationToken) =>
        PublishAsync(new BeforeStartEvent(services, model), cancellationToken);

    public Task AfterResourcesCreatedAsync(CancellationToken cancellationToken) =>
        LogFailureAsync(new AfterResourcesCreatedEvent(services, model), "the application", cancellationToken);

    public Task BeforeResourceStartedAsync(IResource resource, CancellationToken cancellationToken) =>
        PublishAsync(new BeforeResourceStartedEvent(resource, services), cancellationToken);

    /// <summary>Fails as a subscriber does; the failure is logged already.</summary>
    public Task ResourceReadyAsync(IResource resource, CancellationToken cancellationToken) =>
        LogFailureAsync(new ResourceReadyEvent(resource, services), resource.Name, cancellationToken);

    /// <summary>
    /// Nobody waits for the subscribers: one of them may give the resource a command, which in turn waits for it.
    /// </summary>
    public void ResourceStopped(ResourceEvent state, CancellationToken cancellationToken) => _ = Task.Run(
        async () =>
        {
            var children = model.Resources.Where(r => (r as IResourceWithParent)?.Parent == state.Resource);
            foreach (var resource in children.Prepend(state.Resource))
            {
                await LogFailureAsync(
                    new ResourceStoppedEvent(resource, services, state), resource.Name, cancellationToken);
            }
        },
        CancellationToken.None);

    /// <summary>A subscriber that goes on and on must not keep the application from ending.</summary>
    private Task PublishAsync<T>(T @event, CancellationToken cancellationToken)
        where T : IDistributedApplicationEvent =>
        eventing.PublishAsync(@event, cancellationToken).WaitAsync(cancellationToken);

    private async Task LogFailureAsync<T>(T @event, string about, CancellationToken cancellationToken)
        where T : IDistributedApplicationEvent
    {
        try
        {
            await PublishAsync(@event, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(
                "A subscriber of {Event} of {About} failed: {Problem}", typeof(T).Name, about, exception.Message);
            throw;
        }
    }
}
