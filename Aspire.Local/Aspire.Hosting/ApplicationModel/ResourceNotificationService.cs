using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>Keeps and publishes the states of the resources. Each replica has an id and a state of its own.</summary>
public class ResourceNotificationService
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ResourceEvent> _latest = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Channel<ResourceEvent>> _watchers = [];
    private readonly ConcurrentDictionary<string, TaskCompletionSource<Task>> _ready =
        new(StringComparer.OrdinalIgnoreCase);

    internal ResourceNotificationService()
    {
    }

    /// <summary>
    /// Waits until every replica of a resource runs and is healthy, and what subscribes to its
    /// <see cref="ResourceReadyEvent"/> is done.
    /// </summary>
    /// <param name="resourceName">The resource's name.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The event that made it so. Fails as a subscriber does.</returns>
    public async Task<ResourceEvent> WaitForResourceHealthyAsync(
        string resourceName, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(resourceName);
        var healthy = await WaitForHealthAsync(resourceName, cancellationToken);
        var subscribers = await ReadyOf(resourceName).Task.WaitAsync(cancellationToken);
        await subscribers;
        return healthy;
    }

    /// <summary>Waits for an event of a resource.</summary>
    /// <param name="resourceName">The resource's name.</param>
    /// <param name="predicate">Which event; the latest of each replica are asked first.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The event.</returns>
    public async Task<ResourceEvent> WaitForResourceAsync(
        string resourceName, Func<ResourceEvent, bool> predicate, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(resourceName);
        ArgumentNullException.ThrowIfNull(predicate);
        await foreach (var resourceEvent in WatchAsync(cancellationToken))
        {
            if (resourceEvent.Resource.Name.Equals(resourceName, StringComparison.OrdinalIgnoreCase)
                && predicate(resourceEvent))
            {
                return resourceEvent;
            }
        }

        throw new OperationCanceledException($"The application ended before '{resourceName}' got there.");
    }

    /// <summary>Waits until a resource has a state.</summary>
    /// <param name="resourceName">The resource's name.</param>
    /// <param name="targetState">One of <see cref="KnownResourceStates"/>; Running when null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The wait.</returns>
    public Task WaitForResourceAsync(
        string resourceName, string? targetState = null, CancellationToken cancellationToken = default) =>
        WaitForResourceAsync(
            resourceName,
            e => e.Snapshot.State?.Text == (targetState ?? KnownResourceStates.Running),
            cancellationToken);

    /// <summary>The latest event of a replica.</summary>
    /// <param name="resourceId">The replica's id.</param>
    /// <param name="resourceEvent">The event; null when there is none.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryGetCurrentState(string resourceId, [NotNullWhen(true)] out ResourceEvent? resourceEvent)
    {
        lock (_lock)
        {
            return _latest.TryGetValue(resourceId, out resourceEvent);
        }
    }

    /// <summary>The latest event of every replica, and then each new one.</summary>
    /// <param name="cancellationToken">Ends the watch.</param>
    /// <returns>The events.</returns>
    public IAsyncEnumerable<ResourceEvent> WatchAsync(CancellationToken cancellationToken = default)
    {
        var channel = Channel.CreateUnbounded<ResourceEvent>();
        lock (_lock)
        {
            foreach (var resourceEvent in _latest.Values)
            {
                channel.Writer.TryWrite(resourceEvent);
            }

            _watchers.Add(channel);
        }

        return Read(channel, cancellationToken);
    }

    /// <summary>Changes the state of a resource that has one process or none.</summary>
    /// <param name="resource">The resource.</param>
    /// <param name="stateFactory">The new state, given the old.</param>
    /// <returns>Completes when it is published.</returns>
    public Task PublishUpdateAsync(
        IResource resource, Func<CustomResourceSnapshot, CustomResourceSnapshot> stateFactory)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return PublishUpdateAsync(resource, resource.Name, stateFactory);
    }

    /// <summary>Changes the state of one replica.</summary>
    /// <param name="resource">The resource.</param>
    /// <param name="resourceId">The replica's id.</param>
    /// <param name="stateFactory">The new state, given the old.</param>
    /// <returns>Completes when it is published.</returns>
    public Task PublishUpdateAsync(
        IResource resource, string resourceId, Func<CustomResourceSnapshot, CustomResourceSnapshot> stateFactory)
    {
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(stateFactory);
        lock (_lock)
        {
            var before = _latest.GetValueOrDefault(resourceId)?.Snapshot
                ?? new CustomResourceSnapshot { ResourceType = resource.GetType().Name, Properties = [] };
            var resourceEvent = new ResourceEvent(resource, resourceId, stateFactory(before));
            _latest[resourceId] = resourceEvent;
            _watchers.ForEach(watcher => watcher.Writer.TryWrite(resourceEvent));
        }

        return Task.CompletedTask;
    }

    /// <summary>The states of a resource's replicas, for people: "Running, Unhealthy".</summary>
    internal string Describe(string resourceName) => string.Join("; ", OfResource(resourceName)
        .Select(e => string.Join(", ", e.Snapshot.State?.Text, e.Snapshot.HealthStatus)));

    /// <summary>Waits until every replica of a resource runs and is healthy.</summary>
    internal Task<ResourceEvent> WaitForHealthAsync(string resourceName, CancellationToken cancellationToken) =>
        WaitForResourceAsync(
            resourceName,
            _ => OfResource(resourceName).All(e => e.Snapshot.HealthStatus == HealthStatus.Healthy
                && e.Snapshot.State?.Text == KnownResourceStates.Running),
            cancellationToken);

    /// <summary>Tells what has become of the subscribers of a resource's <see cref="ResourceReadyEvent"/>.</summary>
    internal void SetReady(string resourceName, Task subscribers) => ReadyOf(resourceName).TrySetResult(subscribers);

    private TaskCompletionSource<Task> ReadyOf(string resourceName) => _ready.GetOrAdd(
        resourceName, _ => new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously));

    private ImmutableArray<ResourceEvent> OfResource(string resourceName)
    {
        lock (_lock)
        {
            return
            [
                .. _latest.Values.Where(e => e.Resource.Name.Equals(resourceName, StringComparison.OrdinalIgnoreCase)),
            ];
        }
    }

    private async IAsyncEnumerable<ResourceEvent> Read(
        Channel<ResourceEvent> channel,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var resourceEvent in channel.Reader.ReadAllAsync(cancellationToken))
            {
                yield return resourceEvent;
            }
        }
        finally
        {
            lock (_lock)
            {
                _watchers.Remove(channel);
            }
        }
    }
}

/// <summary>A new state of a resource or one of its replicas.</summary>
/// <param name="resource">The resource.</param>
/// <param name="resourceId">The replica's id; the resource's name when it has one process.</param>
/// <param name="snapshot">The state.</param>
public class ResourceEvent(IResource resource, string resourceId, CustomResourceSnapshot snapshot)
{
    /// <summary>The resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>The replica's id.</summary>
    public string ResourceId { get; } = resourceId;

    /// <summary>The state.</summary>
    public CustomResourceSnapshot Snapshot { get; } = snapshot;
}

/// <summary>The state of a resource or one of its replicas.</summary>
public sealed record CustomResourceSnapshot
{
    /// <summary>The resource's kind.</summary>
    public required string ResourceType { get; init; }

    /// <summary>More about it, by name.</summary>
    public required ImmutableArray<ResourcePropertySnapshot> Properties { get; init; }

    /// <summary>Where it is in its life.</summary>
    public ResourceStateSnapshot? State { get; init; }

    /// <summary>The exit code of its process, when that has ended.</summary>
    public int? ExitCode { get; init; }

    /// <summary>What its health checks say; null before the first, and while it does not run.</summary>
    public HealthStatus? HealthStatus { get; internal init; }

    /// <summary>When its process started, in UTC.</summary>
    public DateTime? StartTimeStamp { get; init; }

    /// <summary>Where to reach it: its endpoints, and what <c>WithUrl</c> adds.</summary>
    public ImmutableArray<UrlSnapshot> Urls { get; init; } = [];

    /// <summary>What its process finds in its environment besides the AppHost's own.</summary>
    public ImmutableArray<EnvironmentVariableSnapshot> EnvironmentVariables { get; init; } = [];
}

/// <summary>A variable of a process's environment.</summary>
/// <param name="Name">The name.</param>
/// <param name="Value">The value, with its secrets.</param>
/// <param name="IsFromSpec">Whether the AppHost has set it.</param>
public sealed record EnvironmentVariableSnapshot(string Name, string? Value, bool IsFromSpec);

/// <summary>A named value shown for a resource.</summary>
/// <param name="Name">The name.</param>
/// <param name="Value">The value.</param>
public sealed record ResourcePropertySnapshot(string Name, object? Value);

/// <summary>Where a resource is in its life.</summary>
/// <param name="Text">One of <see cref="KnownResourceStates"/>.</param>
/// <param name="Style">How to show it.</param>
public sealed record ResourceStateSnapshot(string Text, string? Style)
{
    /// <summary>A state without a style.</summary>
    /// <param name="s">One of <see cref="KnownResourceStates"/>.</param>
    public static implicit operator ResourceStateSnapshot?(string? s) => s is null ? null : new(s, null);
}

/// <summary>The names of the states.</summary>
public static class KnownResourceStates
{
    /// <summary>It waits to be told to start.</summary>
    public static readonly string NotStarted = nameof(NotStarted);

    /// <summary>It waits for others.</summary>
    public static readonly string Waiting = nameof(Waiting);

    /// <summary>Its process is being started.</summary>
    public static readonly string Starting = nameof(Starting);

    /// <summary>Its process runs.</summary>
    public static readonly string Running = nameof(Running);

    /// <summary>It could not be started.</summary>
    public static readonly string FailedToStart = nameof(FailedToStart);

    /// <summary>Its process is being stopped.</summary>
    public static readonly string Stopping = nameof(Stopping);

    /// <summary>Its process has ended, unasked or with an error.</summary>
    public static readonly string Exited = nameof(Exited);

    /// <summary>Its process has ended as it should.</summary>
    public static readonly string Finished = nameof(Finished);
}
