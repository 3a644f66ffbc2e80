using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Eventing;

/// <summary>Tells subscribers what happens, each by the type of the event.</summary>
public interface IDistributedApplicationEventing
{
    /// <summary>Calls back at each event of a type.</summary>
    /// <typeparam name="T">The event's own type, not one it derives from.</typeparam>
    /// <param name="callback">What to do.</param>
    /// <returns>The subscription, to end it by.</returns>
    /// <exception cref="ArgumentException">No event can be of that type: it is abstract or an interface.</exception>
    DistributedApplicationEventSubscription Subscribe<T>(Func<T, CancellationToken, Task> callback)
        where T : IDistributedApplicationEvent;

    /// <summary>Calls back at each event of a type that is about one resource.</summary>
    /// <typeparam name="T">The event's own type, not one it derives from.</typeparam>
    /// <param name="resource">The resource.</param>
    /// <param name="callback">What to do.</param>
    /// <returns>The subscription, to end it by.</returns>
    /// <exception cref="ArgumentException">No event can be of that type: it is abstract or an interface.</exception>
    DistributedApplicationEventSubscription Subscribe<T>(IResource resource, Func<T, CancellationToken, Task> callback)
        where T : IDistributedApplicationResourceEvent;

    /// <summary>Ends a subscription.</summary>
    /// <param name="subscription">The subscription.</param>
    void Unsubscribe(DistributedApplicationEventSubscription subscription);

    /// <summary>Calls the subscribers, each after the one before it has come to its end.</summary>
    /// <typeparam name="T">The event's type.</typeparam>
    /// <param name="event">The event.</param>
    /// <param name="cancellationToken">Goes to the subscribers.</param>
    /// <returns>Completes with the last subscriber; fails with the first that fails.</returns>
    Task PublishAsync<T>(T @event, CancellationToken cancellationToken = default)
        where T : IDistributedApplicationEvent;

    /// <summary>Calls the subscribers.</summary>
    /// <typeparam name="T">The event's type.</typeparam>
    /// <param name="event">The event.</param>
    /// <param name="dispatchBehavior">Whether one after the other, and whether to wait for them.</param>
    /// <param name="cancellationToken">Goes to the subscribers.</param>
    /// <returns>Completes with the subscribers, or at once.</returns>
    Task PublishAsync<T>(
        T @event, EventDispatchBehavior dispatchBehavior, CancellationToken cancellationToken = default)
        where T : IDistributedApplicationEvent;
}
