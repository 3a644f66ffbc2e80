using System.Collections.Immutable;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Eventing;

/// <inheritdoc cref="IDistributedApplicationEventing"/>
public class DistributedApplicationEventing : IDistributedApplicationEventing
{
    // Replaced as a whole: who subscribes or unsubscribes while an event is published does not disturb it.
    private ImmutableList<(Type Event, DistributedApplicationEventSubscription Subscription)> _subscriptions = [];

    /// <inheritdoc/>
    public DistributedApplicationEventSubscription Subscribe<T>(Func<T, CancellationToken, Task> callback)
        where T : IDistributedApplicationEvent
    {
        ArgumentNullException.ThrowIfNull(callback);
        return Add<T>(new((@event, cancellationToken) => callback((T)@event, cancellationToken)));
    }

    /// <inheritdoc/>
    public DistributedApplicationEventSubscription Subscribe<T>(
        IResource resource, Func<T, CancellationToken, Task> callback) where T : IDistributedApplicationResourceEvent
    {
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(callback);
        return Add<T>(new DistributedApplicationResourceEventSubscription(
            resource,
            (@event, cancellationToken) => @event.Resource == resource
                ? callback((T)@event, cancellationToken)
                : Task.CompletedTask));
    }

    /// <inheritdoc/>
    public void Unsubscribe(DistributedApplicationEventSubscription subscription) => ImmutableInterlocked.Update(
        ref _subscriptions, subscriptions => subscriptions.RemoveAll(entry => entry.Subscription == subscription));

    /// <inheritdoc/>
    public Task PublishAsync<T>(T @event, CancellationToken cancellationToken = default)
        where T : IDistributedApplicationEvent =>
        PublishAsync(@event, EventDispatchBehavior.BlockingSequential, cancellationToken);

    /// <inheritdoc/>
    public Task PublishAsync<T>(
        T @event, EventDispatchBehavior dispatchBehavior, CancellationToken cancellationToken = default)
        where T : IDistributedApplicationEvent
    {
        var subscribers = _subscriptions.Where(entry => entry.Event == typeof(T)).Select(entry => entry.Subscription);
        return dispatchBehavior switch
        {
            EventDispatchBehavior.BlockingSequential => OneByOneAsync(),
            EventDispatchBehavior.BlockingConcurrent => AllAtOnceAsync(),
            EventDispatchBehavior.NonBlockingSequential => WithoutWaiting(OneByOneAsync),
            EventDispatchBehavior.NonBlockingConcurrent => WithoutWaiting(AllAtOnceAsync),
            _ => throw new ArgumentOutOfRangeException(nameof(dispatchBehavior), dispatchBehavior, message: null),
        };

        async Task OneByOneAsync()
        {
            foreach (var subscriber in subscribers)
            {
                await subscriber.Callback(@event, cancellationToken);
            }
        }

        Task AllAtOnceAsync() => Task.WhenAll(subscribers.Select(
            async subscriber => await subscriber.Callback(@event, cancellationToken)));

        static Task WithoutWaiting(Func<Task> publish)
        {
            _ = Task.Run(publish, CancellationToken.None);
            return Task.CompletedTask;
        }
    }

    private DistributedApplicationEventSubscription Add<T>(DistributedApplicationEventSubscription subscription)
    {
        if (typeof(T).IsAbstract)
        {
            throw new ArgumentException(
                $"Cannot subscribe to '{typeof(T).Name}': it is an interface or abstract, and events are published by "
                + "their own types.");
        }

        ImmutableInterlocked.Update(
            ref _subscriptions, subscriptions => subscriptions.Add((typeof(T), subscription)));
        return subscription;
    }
}
