using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AppHost.Servers;

/// <summary>
/// Starts again what has ended by itself, services and servers, after a pause that grows while it ends soon after each
/// start. What somebody stops passes through <c>Stopping</c> and is left alone.
/// </summary>
internal sealed class Restarts(
    DistributedApplicationModel model, ResourceNotificationService notifications, ResourceCommandService commands,
    ResourceLoggerService loggers) : BackgroundService
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(16);

    /// <summary>What runs for so long has started well: the next pause is the first one again.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(model.Resources
        .Where(resource => resource is ProjectResource or PostgresProcessResource or RedisProcessResource
            && !resource.Annotations.OfType<ExplicitStartupAnnotation>().Any())
        .Select(resource => KeepAsync(resource, stoppingToken)));

    private async Task KeepAsync(IResource resource, CancellationToken cancellationToken)
    {
        var (last, isUp, since, pause) = ("", false, DateTime.UtcNow, FirstPause);
        await foreach (var change in notifications.WatchAsync(cancellationToken))
        {
            if (change.Resource != resource || change.Snapshot.State?.Text is not { } state || state == last)
            {
                continue;
            }

            var hasEnded = state == KnownResourceStates.FailedToStart || (isUp && IsOver(state));
            isUp = state == KnownResourceStates.Starting || state == KnownResourceStates.Running;
            since = isUp ? DateTime.UtcNow : since;
            last = state;
            if (hasEnded)
            {
                pause = DateTime.UtcNow - since > Settled ? FirstPause : pause;
                await StartAsync(change, pause, cancellationToken);
                pause = pause < LongestPause ? pause * 2 : pause;
            }
        }
    }

    private async Task StartAsync(ResourceEvent ended, TimeSpan pause, CancellationToken cancellationToken)
    {
        loggers.GetLogger(ended.Resource).LogWarning(
            "{Resource} has ended by itself with exit code {ExitCode}: starting it again in {Pause} ms",
            ended.Resource.Name, ended.Snapshot.ExitCode, pause.TotalMilliseconds);
        await Task.Delay(pause, cancellationToken);
        if (notifications.TryGetCurrentState(ended.ResourceId, out var now)
            && now.Snapshot.State?.Text is { } state && IsOver(state)) // Otherwise somebody has started it meanwhile.
        {
            // A start that fails ends in FailedToStart, which is tried again.
            await commands.ExecuteCommandAsync(
                ended.ResourceId, KnownResourceCommands.StartCommand, cancellationToken);
        }
    }

    private static bool IsOver(string state) => KnownResourceStates.TerminalStates.Contains(state);
}

/// <summary>Adds the restarts.</summary>
internal static class RestartsExtensions
{
    /// <summary>Starts again what has ended by itself. Aspire's orchestrator does not.</summary>
    public static void AddRestarts(this IDistributedApplicationBuilder builder) =>
        builder.Services.AddHostedService<Restarts>();
}
