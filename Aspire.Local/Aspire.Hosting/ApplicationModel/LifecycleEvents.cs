using Aspire.Hosting.Eventing;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The application is described and about to start.</summary>
/// <param name="services">The AppHost's own services.</param>
/// <param name="model">What the application consists of.</param>
public class BeforeStartEvent(IServiceProvider services, DistributedApplicationModel model)
    : IDistributedApplicationEvent
{
    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services { get; } = services;

    /// <summary>What the application consists of.</summary>
    public DistributedApplicationModel Model { get; } = model;
}

/// <summary>Each resource that starts by itself has started or has failed to; it need not be healthy yet.</summary>
/// <param name="services">The AppHost's own services.</param>
/// <param name="model">What the application consists of.</param>
public class AfterResourcesCreatedEvent(IServiceProvider services, DistributedApplicationModel model)
    : IDistributedApplicationEvent
{
    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services { get; } = services;

    /// <summary>What the application consists of.</summary>
    public DistributedApplicationModel Model { get; } = model;
}

/// <summary>
/// A resource with processes is about to wait for others and then to start. It does not start when a subscriber fails.
/// </summary>
/// <param name="resource">The resource.</param>
/// <param name="services">The AppHost's own services.</param>
public class BeforeResourceStartedEvent(IResource resource, IServiceProvider services)
    : IDistributedApplicationResourceEvent
{
    /// <summary>The resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services { get; } = services;
}

/// <summary>
/// A resource is healthy for the first time. Others that wait for it start when the subscribers are done, and not at
/// all when one of them fails.
/// </summary>
/// <param name="resource">The resource.</param>
/// <param name="services">The AppHost's own services.</param>
public class ResourceReadyEvent(IResource resource, IServiceProvider services) : IDistributedApplicationResourceEvent
{
    /// <summary>The resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services { get; } = services;
}

/// <summary>
/// A replica's process has ended while the application runs on. Its resource's children are said to have stopped too.
/// </summary>
/// <param name="resource">The resource.</param>
/// <param name="services">The AppHost's own services.</param>
/// <param name="resourceEvent">The replica's state.</param>
public class ResourceStoppedEvent(IResource resource, IServiceProvider services, ResourceEvent resourceEvent)
    : IDistributedApplicationResourceEvent
{
    /// <summary>The resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services { get; } = services;

    /// <summary>The replica's state.</summary>
    public ResourceEvent ResourceEvent { get; } = resourceEvent;
}
