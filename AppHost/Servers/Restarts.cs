using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AppHost.Servers;

/// <summary>
/// Starts again what has ended by itself, services and servers, after a pause that grows while it ends soon after each
/// start. What somebody stops passes through <c>Stopping</c> and is left alone.
/// </summary>
internal sealed class Restarts(
    ResourceNotificationService notifications, ResourceCommandService commands, ResourceLoggerService loggers)
    : BackgroundService
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>What runs for so long has started well: the next pause is the first one again.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);

    private static readonly string?[] Up = [KnownResourceStates.Starting, KnownResourceStates.Running];
    private static readonly string?[] Ended =
        [KnownResourceStates.Exited, KnownResourceStates.Finished, KnownResourceStates.FailedToStart];

    private readonly Dictionary<string, Life> _lives = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var change in notifications.WatchAsync(stoppingToken))
        {
            if (!IsMeantToStay(change.Resource))
            {
                continue;
            }

            var life = _lives.GetValueOrDefault(change.ResourceId, new Life());
            var state = change.Snapshot.State?.Text;
            if (state == life.State)
            {
                continue;
            }

            var hasEnded = Ended.Contains(state)
                && (Up.Contains(life.State) || state == KnownResourceStates.FailedToStart);
            life = life with { State = state };
            if (state == KnownResourceStates.Running)
            {
                life = life with { Since = DateTime.UtcNow };
            }
            else if (hasEnded)
            {
                var pause = DateTime.UtcNow - life.Since > Settled ? FirstPause : life.NextPause;
                life = life with { NextPause = pause * 2 < LongestPause ? pause * 2 : LongestPause };
                _ = StartAsync(change, pause, stoppingToken);
            }

            _lives[change.ResourceId] = life;
        }
    }

    private static bool IsMeantToStay(IResource resource) =>
        resource is ProjectResource or PostgresProcessResource or RedisProcessResource
        && !resource.Annotations.OfType<ExplicitStartupAnnotation>().Any();

    private async Task StartAsync(ResourceEvent ended, TimeSpan pause, CancellationToken cancellationToken)
    {
        var logger = loggers.GetLogger(ended.Resource);
        logger.LogWarning(
            "{Resource} has ended by itself with exit code {ExitCode}: starting it again in {Pause} ms",
            ended.Resource.Name, ended.Snapshot.ExitCode, pause.TotalMilliseconds);
        await Task.Delay(pause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!cancellationToken.IsCancellationRequested
            && notifications.TryGetCurrentState(ended.ResourceId, out var now)
            && Ended.Contains(now.Snapshot.State?.Text)) // Otherwise somebody has started it meanwhile.
        {
            // A start that fails ends in FailedToStart, which is tried again.
            await commands.ExecuteCommandAsync(
                ended.ResourceId, KnownResourceCommands.StartCommand, cancellationToken);
        }
    }

    private sealed record Life
    {
        public string? State { get; init; }

        public DateTime Since { get; init; }

        public TimeSpan NextPause { get; init; } = FirstPause;
    }
}

/// <summary>Adds the restarts.</summary>
internal static class RestartsExtensions
{
    /// <summary>Starts again what has ended by itself. Aspire's orchestrator does not.</summary>
    public static void AddRestarts(this IDistributedApplicationBuilder builder) =>
        builder.Services.AddHostedService<Restarts>();
}
