using System.Diagnostics;
using System.Threading.Channels;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Keeps one process of a resource running: starts it, watches its health, starts it again when it dies, and gives up
/// when it dies again and again.
/// </summary>
internal sealed class ReplicaRunner(
    IResource resource, int replica, int replicas, ProcessAnnotation annotation, RunnerServices services)
{
    /// <summary>The name of the property that holds the process id, as in Aspire.</summary>
    internal const string PidProperty = "executable.pid";

    private const int MaxFailuresInARow = 5;
    private const int LastLines = 10;

    /// <summary>How long a process has to run to be a success, where no health check says so.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan FirstBackoff = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ProbeWhileStarting = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ProbeWhileHealthy = TimeSpan.FromSeconds(2);

    private readonly Channel<bool> _startAsked = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly Queue<string> _lastLines = new();
    private readonly Lock _lock = new();
    private ChildProcess? _process;
    private bool _stopAsked;

    // Completed while the replica is down and stays down until it is told to start.
    private TaskCompletionSource _down = NewSource(completed: true);

    /// <summary>The replica's id: the resource's name when it is the only one.</summary>
    public string Id { get; } = replicas == 1 ? resource.Name : $"{resource.Name}-{replica + 1}";

    /// <summary>
    /// A program that ends has done its work, and so has what others wait for the end of, or what is started by hand; a
    /// service or server that ends has died.
    /// </summary>
    private bool IsMeantToStay => resource is not ExecutableResource
        && !resource.Annotations.OfType<ExplicitStartupAnnotation>().Any()
        && !services.Model.Resources
            .SelectMany(other => other.Annotations.OfType<WaitAnnotation>())
            .Any(wait => wait.WaitType == WaitType.WaitForCompletion && wait.Resource == resource);

    /// <summary>Somebody relies on it: it has died even when it ended politely.</summary>
    private bool Listens => resource.Annotations.OfType<EndpointAnnotation>().Any();

    /// <summary>Whether a name or id means this replica.</summary>
    public bool Answers(string resourceId) => resourceId.Equals(Id, StringComparison.OrdinalIgnoreCase)
        || resourceId.Equals(resource.Name, StringComparison.OrdinalIgnoreCase);

    /// <summary>Tells the state to those who watch.</summary>
    public Task PublishAsync(string state, HealthStatus? health = null, int? exitCode = null) =>
        services.Notifications.PublishUpdateAsync(resource, Id, snapshot => snapshot with
        {
            State = state,
            HealthStatus = health,
            ExitCode = exitCode,
            Urls = ResourceUrls.Of(resource, state),
            StartTimeStamp = state == KnownResourceStates.Starting ? DateTime.UtcNow : snapshot.StartTimeStamp,
        });

    /// <summary>Lets a stopped replica start.</summary>
    public Task StartAsync()
    {
        // It is taken when the replica is down. One that runs takes none: what was asked before a run is forgotten.
        _startAsked.Writer.TryWrite(true);
        return Task.CompletedTask;
    }

    /// <summary>Ends the process and keeps it from starting again.</summary>
    /// <param name="hurry">Ends the patience with it.</param>
    public async Task StopAsync(CancellationToken hurry = default)
    {
        ChildProcess? process;
        Task down;
        lock (_lock)
        {
            _stopAsked = true;
            _startAsked.Reader.TryRead(out _); // It came before this stop.
            process = _process;
            down = _down.Task;
        }

        if (process is not null)
        {
            await PublishAsync(KnownResourceStates.Stopping);
            await process.StopAsync(hurry);
        }

        await down;
    }

    /// <summary>Runs the process, again and again, until the application stops.</summary>
    /// <param name="startNow">Whether it starts by itself; otherwise when it is told to.</param>
    /// <param name="stopping">The application stops.</param>
    public async Task RunAsync(bool startNow, CancellationToken stopping)
    {
        if (!startNow)
        {
            await TakeStartAsync(stopping);
        }

        try
        {
            await KeepRunningAsync(told: !startNow, stopping);
        }
        finally
        {
            _down.TrySetResult();
        }
    }

    /// <summary>Starts the process, and starts it again when it dies or a command says so.</summary>
    /// <param name="told">Whether a command has started it; what starts by itself has been announced before.</param>
    /// <param name="stopping">The application stops.</param>
    private async Task KeepRunningAsync(bool told, CancellationToken stopping)
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            lock (_lock)
            {
                _startAsked.Reader.TryRead(out _);
                _down = _down.Task.IsCompleted ? NewSource(completed: false) : _down;
            }

            var end = await TryRunOnceAsync(told, stopping);
            told = false;
            if (end is null)
            {
                failures = 0;
            }
            else if (IsDone(end, stopping))
            {
                var isFine = _stopAsked || stopping.IsCancellationRequested || end.ExitCode == 0;
                await PublishEndAsync(
                    isFine ? KnownResourceStates.Finished : KnownResourceStates.Exited, end.ExitCode, stopping);
                failures = 0;
            }
            else
            {
                failures = end.WasHealthy ? 1 : failures + 1;
                services.Logger.LogError("{Resource} has ended with exit code {ExitCode}", Id, end.ExitCode);
                if (failures < MaxFailuresInARow)
                {
                    await PublishEndAsync(KnownResourceStates.Exited, end.ExitCode, stopping);
                    await Task.Delay(FirstBackoff * (1 << (failures - 1)), stopping);
                    continue;
                }

                services.Logger.LogError(
                    "{Resource} has failed {Count} times in a row and stays down. Its last lines:\n{Lines}",
                    Id, failures, LastWords());
                await PublishEndAsync(KnownResourceStates.FailedToStart, end.ExitCode, stopping);
                failures = 0;
            }

            _down.TrySetResult();
            await TakeStartAsync(stopping);
            told = true;
        }
    }

    private bool IsDone(End end, CancellationToken stopping) => stopping.IsCancellationRequested || _stopAsked
        || !IsMeantToStay || (end.ExitCode == 0 && !Listens);

    private async Task TakeStartAsync(CancellationToken stopping)
    {
        await _startAsked.Reader.ReadAsync(stopping);
        lock (_lock)
        {
            _stopAsked = false;
        }
    }

    /// <summary>Says how the process has ended. When the application ends, no event is made of it.</summary>
    private async Task PublishEndAsync(string state, int exitCode, CancellationToken stopping)
    {
        await PublishAsync(state, exitCode: exitCode);
        if (!stopping.IsCancellationRequested && services.Notifications.TryGetCurrentState(Id, out var now))
        {
            services.Events.ResourceStopped(now, stopping);
        }
    }

    /// <summary>Null when it could not even be started; that would be no different the next time.</summary>
    private async Task<End?> TryRunOnceAsync(bool told, CancellationToken stopping)
    {
        try
        {
            if (told)
            {
                await services.Events.BeforeResourceStartedAsync(resource, stopping);
            }

            return await RunOnceAsync(stopping);
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            services.Logger.LogError("{Resource} failed to start: {Problem}", Id, exception.Message);
            await PublishAsync(KnownResourceStates.FailedToStart);
            return null;
        }
    }

    private async Task<End> RunOnceAsync(CancellationToken stopping)
    {
        await PublishAsync(KnownResourceStates.Starting);
        var spec = await annotation.Describe(
            new ProcessContext(resource, replica, services.Folders, services.Processes, services.Logger), stopping);
        spec = await services.Environment.CompleteAsync(spec, resource, Id, replica, stopping);
        var output = services.Loggers.CreateLogger(ResourceConsoleFormatter.Category(services.ApplicationName, Id));
        ChildProcess process;
        lock (_lock)
        {
            if (_stopAsked || stopping.IsCancellationRequested)
            {
                return new End(0, WasHealthy: false);
            }

            process = _process = services.Processes.Start(spec, (line, isError) => Take(line, isError, output));
        }

        await services.Notifications.PublishUpdateAsync(resource, Id, snapshot => snapshot with
        {
            State = KnownResourceStates.Running,
            Urls = ResourceUrls.Of(resource, KnownResourceStates.Running),
            Properties = [new ResourcePropertySnapshot(PidProperty, process.Id)],
            EnvironmentVariables =
            [
                .. spec.Environment.OrderBy(variable => variable.Key, StringComparer.Ordinal)
                    .Select(variable => new EnvironmentVariableSnapshot(
                        variable.Key, variable.Value, IsFromSpec: true)),
            ],
        });
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var began = Stopwatch.GetTimestamp();
        var watching = WatchHealthAsync(ended.Token);
        var exitCode = await process.Exited;
        await ended.CancelAsync();
        var wasHealthy = await watching || Stopwatch.GetElapsedTime(began) > Settled;
        lock (_lock)
        {
            _process = null;
        }

        process.Dispose();
        return new End(exitCode, wasHealthy);
    }

    /// <summary>How a process ended.</summary>
    private sealed record End(int ExitCode, bool WasHealthy);

    private static TaskCompletionSource NewSource(bool completed)
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (completed)
        {
            source.SetResult();
        }

        return source;
    }

    private void Take(string line, bool isError, ILogger output)
    {
        output.Log(isError ? LogLevel.Error : LogLevel.Information, "{Line}", line);
        services.Output.Add(resource.Name, Id, line, isError);
        lock (_lastLines)
        {
            _lastLines.Enqueue(line);
            if (_lastLines.Count > LastLines)
            {
                _lastLines.Dequeue();
            }
        }
    }

    private string LastWords()
    {
        // What the process has left behind may still be writing.
        lock (_lastLines)
        {
            return string.Join('\n', _lastLines);
        }
    }

    /// <summary>Publishes each change of health until the process ends.</summary>
    /// <returns>Whether a health check has ever passed.</returns>
    private async Task<bool> WatchHealthAsync(CancellationToken ended)
    {
        var probes = resource.Annotations.OfType<HealthProbeAnnotation>().ToList();
        HealthStatus? before = null;
        var wasHealthy = false;
        try
        {
            while (true)
            {
                var now = HealthStatus.Healthy;
                foreach (var probe in probes)
                {
                    now = await IsWellAsync(probe, ended) ? now : HealthStatus.Unhealthy;
                }

                ended.ThrowIfCancellationRequested();
                if (now != before && !_stopAsked)
                {
                    before = now;
                    await PublishAsync(KnownResourceStates.Running, now);
                }

                wasHealthy |= probes.Count > 0 && now == HealthStatus.Healthy;
                await Task.Delay(now == HealthStatus.Healthy ? ProbeWhileHealthy : ProbeWhileStarting, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            return wasHealthy;
        }
    }

    private async Task<bool> IsWellAsync(HealthProbeAnnotation probe, CancellationToken ended)
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
}

/// <summary>What runners work with.</summary>
internal sealed record RunnerServices(
    DistributedApplicationModel Model,
    ResourceNotificationService Notifications,
    ResourceLoggerService Output,
    AppHostFolders Folders,
    ProcessStarter Processes,
    ProcessEnvironment Environment,
    ILoggerFactory Loggers,
    string ApplicationName,
    EventPublisher Events)
{
    /// <summary>The AppHost's own log.</summary>
    public ILogger Logger { get; } = Loggers.CreateLogger<DistributedApplication>();
}
