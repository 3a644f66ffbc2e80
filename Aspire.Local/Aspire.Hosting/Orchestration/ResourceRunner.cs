using System.Data.Common;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Takes one resource through its life: it waits for others, then its replicas run, or it is provisioned.
/// </summary>
internal sealed class ResourceRunner
{
    /// <summary>How long a wait may go on before it is said for what.</summary>
    private static readonly TimeSpan Impatience = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan ProbeOutside = TimeSpan.FromMilliseconds(500);

    private readonly RunnerServices _services;

    public ResourceRunner(IResource resource, RunnerServices services)
    {
        Resource = resource;
        _services = services;
        var replicas = ReplicasOf(resource);
        Replicas = resource.Annotations.OfType<ProcessAnnotation>().LastOrDefault() is { } process
            ?
            [
                .. Enumerable.Range(0, replicas).Select(
                    n => new ReplicaRunner(resource, n, replicas, process, services)),
            ]
            : [];
    }

    /// <summary>The resource.</summary>
    public IResource Resource { get; }

    /// <summary>Its processes; none when it is a database or a parameter.</summary>
    public IReadOnlyList<ReplicaRunner> Replicas { get; }

    /// <summary>Whether it starts with the application.</summary>
    public bool StartsByItself => !Resource.Annotations.OfType<ExplicitStartupAnnotation>().Any();

    /// <summary>How many processes a resource runs.</summary>
    public static int ReplicasOf(IResource resource) =>
        resource.Annotations.OfType<ReplicaAnnotation>().LastOrDefault()?.Replicas ?? 1;

    /// <summary>Makes every replica known before any of them starts.</summary>
    public Task AnnounceAsync() =>
        PublishAllAsync(StartsByItself ? KnownResourceStates.Waiting : KnownResourceStates.NotStarted);

    /// <summary>Waits, starts, and watches until the application stops.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            var startNow = StartsByItself && await GetReadyAsync(stopping);
            await Task.WhenAll(Replicas.Select(replica => replica.RunAsync(startNow, stopping)));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The application stops before the resource was up, or while it was down.
        }
    }

    /// <summary>Says, once, that the resource is healthy: lets those wait no longer who wait for that.</summary>
    public async Task PublishReadyAsync(CancellationToken stopping)
    {
        await _services.Notifications.WaitForHealthAsync(Resource.Name, stopping);
        var subscribers = _services.Events.ResourceReadyAsync(Resource, stopping);
        await subscribers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _services.Notifications.SetReady(Resource.Name, subscribers);
    }

    /// <summary>Ends the resource's processes and lets no new one start.</summary>
    /// <param name="hurry">Ends the patience with them.</param>
    public Task StopAsync(CancellationToken hurry) =>
        Task.WhenAll(Replicas.Select(replica => replica.StopAsync(hurry)));

    /// <summary>Waits for what the resource waits for, and makes what has no process.</summary>
    /// <returns>Whether it can start; if not it has failed, and starts when it is told to.</returns>
    private async Task<bool> GetReadyAsync(CancellationToken stopping)
    {
        try
        {
            if (Replicas.Count > 0)
            {
                await _services.Events.BeforeResourceStartedAsync(Resource, stopping);
            }

            await WaitForOthersAsync(stopping);
            if (Replicas.Count == 0)
            {
                await ProvisionAsync(stopping);
                await PublishAllAsync(KnownResourceStates.Running, HealthStatus.Healthy);
            }

            return true;
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            _services.Logger.LogError("{Resource} failed to start: {Problem}", Resource.Name, exception.Message);
            await PublishAllAsync(KnownResourceStates.FailedToStart);
            return false;
        }
    }

    private Task PublishAllAsync(string state, HealthStatus? health = null) => Replicas.Count == 0
        ? _services.Notifications.PublishUpdateAsync(
            Resource, snapshot => snapshot with
            {
                State = state,
                HealthStatus = health,
                Urls = ResourceUrls.Of(Resource, state),
            })
        : Task.WhenAll(Replicas.Select(replica => replica.PublishAsync(state, health)));

    /// <summary>Makes what has no process, or waits for the server outside that it is.</summary>
    private async Task ProvisionAsync(CancellationToken stopping)
    {
        foreach (var annotation in Resource.Annotations.OfType<ProvisionAnnotation>())
        {
            // A server may be killed and started again just then; what it refuses stays refused.
            await RepeatAsync(
                async () =>
                {
                    await annotation.Provision(stopping);
                    return true;
                },
                exception => exception is DbException { IsTransient: true },
                stopping);
        }

        foreach (var annotation in Resource.Annotations.OfType<HealthProbeAnnotation>())
        {
            await RepeatAsync(() => annotation.Probe(0, stopping), _ => true, stopping);
        }
    }

    /// <summary>Tries until it works, and says each new reason why it does not yet.</summary>
    private async Task RepeatAsync(
        Func<Task<bool>> works, Func<Exception, bool> mayPass, CancellationToken stopping)
    {
        var said = "";
        while (true)
        {
            var problem = "it is not healthy";
            try
            {
                if (await works())
                {
                    return;
                }
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested && mayPass(exception))
            {
                problem = exception.Message;
            }

            if (problem != said)
            {
                said = problem;
                _services.Logger.LogWarning("{Resource} does not answer: {Problem}", Resource.Name, problem);
            }

            await Task.Delay(ProbeOutside, stopping);
        }
    }

    private async Task WaitForOthersAsync(CancellationToken stopping)
    {
        if (Resource is IResourceWithParent child && Resource.OutsideConnectionString() is null)
        {
            await WaitUntilHealthyAsync(child.Parent, stopping);
        }

        foreach (var wait in Resource.Annotations.OfType<WaitAnnotation>())
        {
            if (wait.WaitType == WaitType.WaitUntilHealthy)
            {
                await WaitUntilHealthyAsync(wait.Resource, stopping);
                continue;
            }

            SayWhatStartsByHand(wait.Resource);
            var ended = await _services.Notifications.WaitForResourceAsync(
                wait.Resource.Name, e => e.Snapshot.ExitCode is not null || HasFailed(e), stopping);
            if (ended.Snapshot.ExitCode != wait.ExitCode)
            {
                throw new DistributedApplicationException(
                    $"Resource '{wait.Resource.Name}' has entered the '{ended.Snapshot.State?.Text}' state "
                    + $"with exit code {ended.Snapshot.ExitCode}, expected {wait.ExitCode}.");
            }
        }
    }

    private async Task WaitUntilHealthyAsync(IResource other, CancellationToken stopping)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var healthy = _services.Notifications.WaitForResourceHealthyAsync(other.Name, enough.Token);
        var failed = _services.Notifications.WaitForResourceAsync(other.Name, HasFailed, enough.Token);
        SayWhatStartsByHand(other);
        var first = Task.WhenAny(healthy, failed);
        while (await Task.WhenAny(first, Task.Delay(Impatience, stopping)) != first
            && !stopping.IsCancellationRequested)
        {
            _services.Logger.LogWarning(
                "{Resource} still waits for {Other}, which is {State}",
                Resource.Name, other.Name, _services.Notifications.Describe(other.Name));
        }

        await enough.CancelAsync();
        stopping.ThrowIfCancellationRequested();
        if (await first == failed)
        {
            throw new DistributedApplicationException($"Dependency resource '{other.Name}' failed to start.");
        }

        await healthy; // It fails where a subscriber of its ResourceReadyEvent does.
    }

    private void SayWhatStartsByHand(IResource other)
    {
        if (other.Annotations.OfType<ExplicitStartupAnnotation>().Any())
        {
            _services.Logger.LogWarning(
                "{Resource} waits for {Other}, which starts only when it is told to", Resource.Name, other.Name);
        }
    }

    /// <summary>A service or server that has exited is started again, so that waiting for it goes on.</summary>
    private static bool HasFailed(ResourceEvent e) => e.Snapshot.State?.Text is { } state
        && (state == KnownResourceStates.FailedToStart
            || (e.Resource is ExecutableResource
                && (state == KnownResourceStates.Exited || state == KnownResourceStates.Finished)));
}
