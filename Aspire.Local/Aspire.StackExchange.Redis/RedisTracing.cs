using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;
using StackExchange.Redis.Profiling;

namespace Aspire.StackExchange.Redis;

/// <summary>
/// Spans of Redis commands. The client has no activity source of its own but a profiler: the commands of one span are
/// gathered in a session of that span and written as its children a little later, with the times the profiler took.
/// </summary>
internal sealed class RedisTracing : BackgroundService
{
    /// <summary>The name of the activity source.</summary>
    public const string SourceName = "Aspire.StackExchange.Redis";

    private static readonly ActivitySource Source = new(SourceName);
    private static readonly TimeSpan FlushInterval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<ActivitySpanId, Gathered> _sessions = new();

    /// <summary>Records the commands of a connection from now on.</summary>
    public void Follow(IConnectionMultiplexer connection) => connection.RegisterProfiler(SessionOfCurrentSpan);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(FlushInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                Flush();
            }
        }
        finally
        {
            Flush();
        }
    }

    private ProfilingSession? SessionOfCurrentSpan() =>
        Source.HasListeners() && Activity.Current is { IsAllDataRequested: true } span
            ? _sessions.GetOrAdd(span.SpanId, static (_, parent) => new(parent, new ProfilingSession()), span).Session
            : null;

    private void Flush()
    {
        foreach (var (id, gathered) in _sessions)
        {
            // A span that has ended starts no more commands: what comes after this round is dropped with its session.
            if (gathered.Parent.IsStopped)
            {
                _sessions.TryRemove(id, out _);
            }

            foreach (var command in gathered.Session.FinishProfiling())
            {
                Write(command, gathered.Parent.Context);
            }
        }
    }

    private static void Write(IProfiledCommand command, ActivityContext parent)
    {
        using var span = Source.StartActivity(
            command.Command, ActivityKind.Client, parent, startTime: new DateTimeOffset(command.CommandCreated));
        span?.SetTag("db.system.name", "redis");
        span?.SetTag("db.operation.name", command.Command);
        span?.SetTag("db.namespace", command.Db);
        span?.SetTag("server.address", command.EndPoint?.ToString());
        span?.SetEndTime(command.CommandCreated + command.ElapsedTime);
    }

    private sealed record Gathered(Activity Parent, ProfilingSession Session);
}
