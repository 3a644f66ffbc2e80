using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Dashboard;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Starts the resources, each when what it waits for is ready, and stops them, each when nothing that uses it runs any
/// more. The part that DCP has in Aspire.
/// </summary>
internal sealed class Orchestrator(
    DistributedApplicationModel model,
    DistributedApplicationExecutionContext executionContext,
    ResourceNotificationService notifications,
    ResourceLoggerService output,
    EventPublisher events,
    RunningResources running,
    ProcessStarter processes,
    AppHostFolders folders,
    PortAllocator ports,
    DashboardSetup dashboard,
    ResourceServer resourceServer,
    IConfiguration configuration,
    IHostEnvironment environment,
    ILoggerFactory loggers) : IHostedService, IAsyncDisposable
{
    /// <summary>How long everything together may take to end; what still runs then is killed.</summary>
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(9);

    private readonly ILogger _logger = loggers.CreateLogger<DistributedApplication>();
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<EndpointProxy> _proxies = [];
    private readonly List<ResourceRunner> _runners = [];
    private readonly List<Task> _running = [];
    private Task? _stop;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _logger.LogInformation(
            "Distributed application starting, AppHost directory {Directory}", environment.ContentRootPath);
        await events.BeforeStartAsync(cancellationToken);
        OutsideServers.Apply(model.Resources, configuration);
        var context = new RequirementContext(folders, processes, _logger);
        foreach (var requirement in model.Resources.SelectMany(r => r.Annotations.OfType<RequirementAnnotation>()))
        {
            await requirement.Require(context, cancellationToken);
        }

        WaitGraph.RefuseWhatNeverEnds(model.Resources);
        dashboard.GiveWayToOthers(_logger);
        AllocateEndpoints();
        await resourceServer.StartAsync(cancellationToken);
        foreach (var resource in model.Resources)
        {
            ResourceUrls.Resolve(resource, _logger);
        }

        var services = new RunnerServices(
            model, notifications, output, folders, processes,
            new ProcessEnvironment(dashboard, executionContext, environment), loggers, environment.ApplicationName,
            events);
        _runners.AddRange(model.Resources.Select(resource => new ResourceRunner(resource, services)));
        running.Set(_runners.SelectMany(runner => runner.Replicas));
        foreach (var runner in _runners)
        {
            await runner.AnnounceAsync();
        }

        _running.AddRange(_runners.Select(
            runner => Task.Run(() => runner.RunAsync(_stopping.Token), CancellationToken.None)));
        _running.AddRange(_runners.Select(
            runner => Task.Run(() => runner.PublishReadyAsync(_stopping.Token), CancellationToken.None)));
        _running.Add(Task.Run(PublishCreatedAsync, CancellationToken.None));
        _running.Add(Task.Run(ReportReadyAsync, CancellationToken.None));
        _running.Add(Task.Run(ReportDashboardAsync, CancellationToken.None));
        _logger.LogInformation("Distributed application started. Press Ctrl+C to shut down.");
    }

    public Task StopAsync(CancellationToken cancellationToken) => _stop ??= StopAllAsync();

    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        _stopping.Dispose();
    }

    /// <summary>
    /// In waves: what no running resource uses any more goes next; those that use each other in a circle go together.
    /// The dashboard goes last, whoever it uses or is used by: it hears of the end of the others.
    /// </summary>
    private async Task StopAllAsync()
    {
        await _stopping.CancelAsync();
        using var hurry = new CancellationTokenSource(StopTimeout);
        var left = _runners.Where(runner => runner.Resource is not DashboardResource)
            .Select(runner => (Runner: runner, Uses: WaitGraph.UsesInAll(runner.Resource))).ToList();
        while (left.Count > 0)
        {
            var wave = left.Where(one => left.All(user => !user.Uses.Contains(one.Runner.Resource)
                || one.Uses.Contains(user.Runner.Resource))).ToList();
            await Task.WhenAll(wave.Select(one => one.Runner.StopAsync(hurry.Token)));
            left.RemoveAll(wave.Contains);
        }

        await Task.WhenAll(_runners.Where(runner => runner.Resource is DashboardResource)
            .Select(runner => runner.StopAsync(hurry.Token)));
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var proxy in _proxies)
        {
            await proxy.DisposeAsync();
        }

        await resourceServer.DisposeAsync();

        _logger.LogInformation("Distributed application stopped");
    }

    private void AllocateEndpoints()
    {
        var randomize = configuration.GetValue<bool>("DcpPublisher:RandomizePorts");
        foreach (var resource in model.Resources)
        {
            var replicas = ResourceRunner.ReplicasOf(resource);
            foreach (var endpoint in resource.Annotations.OfType<EndpointAnnotation>())
            {
                var wanted = randomize || endpoint.Port == 0 ? null : endpoint.Port;
                var port = wanted is { } fixedPort ? PortAllocator.Exactly(fixedPort, resource.Name) : ports.Any();
                endpoint.ReplicaPorts = replicas == 1
                    ? [endpoint.TargetPort ?? port]
                    : [.. Enumerable.Range(0, replicas).Select(_ => ports.Any())];
                endpoint.AllocatedEndpoint = new AllocatedEndpoint(endpoint, endpoint.TargetHost, port);
                if (endpoint.ReplicaPorts[0] != port)
                {
                    _proxies.Add(new EndpointProxy(port, endpoint.ReplicaPorts));
                }
            }
        }
    }

    /// <summary>A process that has failed to start, or has ended since, has been created all the same.</summary>
    private async Task PublishCreatedAsync()
    {
        string[] before = [KnownResourceStates.Waiting, KnownResourceStates.Starting];
        foreach (var runner in _runners.Where(runner => runner.StartsByItself))
        {
            foreach (var replica in runner.Replicas)
            {
                await notifications.WaitForResourceAsync(
                    runner.Resource.Name,
                    e => e.ResourceId == replica.Id && !before.Contains(e.Snapshot.State?.Text),
                    _stopping.Token);
            }
        }

        await events.AfterResourcesCreatedAsync(_stopping.Token);
    }

    private async Task ReportReadyAsync()
    {
        foreach (var runner in _runners.Where(runner =>
            runner.StartsByItself && runner.Resource is not DashboardResource))
        {
            await notifications.WaitForResourceHealthyAsync(runner.Resource.Name, _stopping.Token);
        }

        foreach (var (resource, endpoint) in model.Resources
            .SelectMany(r => r.Annotations.OfType<EndpointAnnotation>().Select(e => (r, e)))
            .Where(pair => pair.r is not DashboardResource
                && !pair.r.Annotations.OfType<ExplicitStartupAnnotation>().Any()))
        {
            _logger.LogInformation(
                "{Resource} is ready at {Url}{External}",
                resource.Name, endpoint.AllocatedEndpoint!.UriString, endpoint.IsExternal ? "  <- start here" : "");
        }
    }

    private async Task ReportDashboardAsync()
    {
        if (dashboard.Resource is { } resource)
        {
            await notifications.WaitForResourceHealthyAsync(resource.Name, _stopping.Token);
            _logger.LogInformation("Login to the dashboard at {Url}", dashboard.LoginUrl);
        }
    }
}
