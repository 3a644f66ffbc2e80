using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>Takes one resource through its life: waiting, starting, running, healthy, ended.</summary>
internal sealed class ResourceRunner(
    IResource resource,
    ResourceNotificationService notifications,
    AppHostFolders folders,
    ProcessEnvironment environment,
    ILoggerFactory loggers,
    string applicationName)
{
    private static readonly TimeSpan ProbeWhileStarting = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ProbeWhileHealthy = TimeSpan.FromSeconds(2);

    private readonly ILogger _logger = loggers.CreateLogger<DistributedApplication>();
    private readonly ChildProcess?[] _processes = new ChildProcess?[ReplicasOf(resource)];
    private readonly Lock _starting = new();
    private bool _stopping;

    /// <summary>The resource.</summary>
    public IResource Resource => resource;

    /// <summary>Whether it starts with the application.</summary>
    public bool StartsByItself => !resource.Annotations.OfType<ExplicitStartupAnnotation>().Any();

    /// <summary>How many processes a resource runs.</summary>
    public static int ReplicasOf(IResource resource) =>
        resource.Annotations.OfType<ReplicaAnnotation>().LastOrDefault()?.Replicas ?? 1;

    /// <summary>Makes every replica known before any of them starts.</summary>
    public async Task AnnounceAsync()
    {
        for (var replica = 0; replica < _processes.Length; replica++)
        {
            await PublishAsync(replica, StartsByItself ? KnownResourceStates.Waiting : KnownResourceStates.NotStarted);
        }
    }

    /// <summary>Waits, starts, and watches until the application stops.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        if (!StartsByItself)
        {
            return;
        }

        try
        {
            await WaitForOthersAsync(stopping);
            if (resource.Annotations.OfType<ProcessAnnotation>().LastOrDefault() is { } process)
            {
                await Task.WhenAll(Enumerable.Range(0, _processes.Length)
                    .Select(replica => RunReplicaAsync(process, replica, stopping)));
            }
            else
            {
                foreach (var annotation in resource.Annotations.OfType<ProvisionAnnotation>())
                {
                    await annotation.Provision(stopping);
                }

                await PublishAsync(0, KnownResourceStates.Running, HealthStatus.Healthy);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The application stops before the resource was up.
        }
        catch (Exception exception)
        {
            _logger.LogError("{Resource} failed to start: {Problem}", resource.Name, exception.Message);
            for (var replica = 0; replica < _processes.Length; replica++)
            {
                await PublishAsync(replica, KnownResourceStates.FailedToStart);
            }
        }
    }

    /// <summary>Ends the resource's processes and lets no new one start.</summary>
    public async Task StopAsync()
    {
        ChildProcess?[] processes;
        lock (_starting)
        {
            _stopping = true;
            processes = [.. _processes];
        }

        await Task.WhenAll(processes.OfType<ChildProcess>().Select(process => process.StopAsync()));
    }

    private async Task WaitForOthersAsync(CancellationToken stopping)
    {
        if (resource is IResourceWithParent child)
        {
            await WaitUntilHealthyAsync(child.Parent, stopping);
        }

        foreach (var wait in resource.Annotations.OfType<WaitAnnotation>())
        {
            if (wait.WaitType == WaitType.WaitUntilHealthy)
            {
                await WaitUntilHealthyAsync(wait.Resource, stopping);
                continue;
            }

            var ended = await notifications.WaitForResourceAsync(
                wait.Resource.Name, e => e.Snapshot.ExitCode is not null || HasFailed(e), stopping);
            if (ended.Snapshot.ExitCode != wait.ExitCode)
            {
                throw new DistributedApplicationException(
                    $"Resource '{wait.Resource.Name}' has entered the '{ended.Snapshot.State?.Text}' state with exit code "
                    + $"{ended.Snapshot.ExitCode}, expected {wait.ExitCode}.");
            }
        }
    }

    private async Task WaitUntilHealthyAsync(IResource other, CancellationToken stopping)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var healthy = notifications.WaitForResourceHealthyAsync(other.Name, enough.Token);
        var failed = notifications.WaitForResourceAsync(other.Name, HasFailed, enough.Token);
        var first = await Task.WhenAny(healthy, failed);
        await enough.CancelAsync();
        stopping.ThrowIfCancellationRequested();
        if (first == failed)
        {
            throw new DistributedApplicationException($"Dependency resource '{other.Name}' failed to start.");
        }
    }

    private static bool HasFailed(ResourceEvent e) =>
        e.Snapshot.State?.Text is KnownResourceStates.FailedToStart or KnownResourceStates.Exited;

    private async Task RunReplicaAsync(ProcessAnnotation annotation, int replica, CancellationToken stopping)
    {
        await PublishAsync(replica, KnownResourceStates.Starting);
        var spec = await annotation.Describe(new ProcessContext(resource, replica, folders), stopping);
        spec = await environment.CompleteAsync(spec, resource, IdOf(replica), replica, stopping);
        var output = loggers.CreateLogger(ResourceConsoleFormatter.Category(applicationName, IdOf(replica)));
        ChildProcess process;
        lock (_starting)
        {
            if (_stopping)
            {
                return;
            }

            process = _processes[replica] = ChildProcess.Start(
                spec, (line, error) => output.Log(error ? LogLevel.Error : LogLevel.Information, "{Line}", line));
        }

        await PublishAsync(replica, KnownResourceStates.Running);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var watching = WatchHealthAsync(replica, ended.Token);
        var exitCode = await process.Exited;
        await ended.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var asked = stopping.IsCancellationRequested || exitCode == 0;
        await notifications.PublishUpdateAsync(resource, IdOf(replica), snapshot => snapshot with
        {
            State = asked ? KnownResourceStates.Finished : KnownResourceStates.Exited,
            ExitCode = exitCode,
            HealthStatus = HealthStatus.Unhealthy,
        });
        if (!stopping.IsCancellationRequested)
        {
            _logger.LogError("{Resource} has ended with exit code {ExitCode}", IdOf(replica), exitCode);
        }
    }

    private async Task WatchHealthAsync(int replica, CancellationToken ended)
    {
        var probes = resource.Annotations.OfType<HealthProbeAnnotation>().ToList();
        HealthStatus? before = null;
        while (true)
        {
            var now = HealthStatus.Healthy;
            foreach (var probe in probes)
            {
                now = await IsWellAsync(probe, replica, ended) ? now : HealthStatus.Unhealthy;
            }

            if (now != before)
            {
                before = now;
                await PublishAsync(replica, KnownResourceStates.Running, now);
            }

            await Task.Delay(now == HealthStatus.Healthy ? ProbeWhileHealthy : ProbeWhileStarting, ended);
        }
    }

    private static async Task<bool> IsWellAsync(HealthProbeAnnotation probe, int replica, CancellationToken ended)
    {
        try
        {
            return await probe.Probe(replica, ended);
        }
        catch (Exception) when (!ended.IsCancellationRequested)
        {
            // Whatever a probe throws means the same: not well yet, or not any more.
            return false;
        }
    }

    private Task PublishAsync(int replica, string state, HealthStatus? health = null) =>
        notifications.PublishUpdateAsync(resource, IdOf(replica), snapshot => snapshot with
        {
            State = state,
            HealthStatus = health,
            StartTimeStamp = state == KnownResourceStates.Starting ? DateTime.UtcNow : snapshot.StartTimeStamp,
        });

    private string IdOf(int replica) => _processes.Length == 1 ? resource.Name : $"{resource.Name}-{replica + 1}";
}
