using Aspire.StackExchange.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Gateway.Limits;

/// <summary>
/// Counts in Redis that all replicas of the gateway share. A Redis that does not answer costs the requests of that
/// moment a little patience, and is then left alone for a while.
/// </summary>
/// <param name="services">Where the connection comes from.</param>
/// <param name="options">How patient.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says when Redis is away.</param>
internal sealed class SharedCounts(
    IServiceProvider services, IOptions<LimitSettings> options, TimeProvider clock, ILogger<SharedCounts> logger)
    : IHostedService
{
    private const string KeyPrefix = "limit:";

    // Both or neither: a count without an end would stay for ever.
    private const string AddScript = """
        local count = redis.call('INCRBY', KEYS[1], ARGV[1])
        if count == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
        return count
        """;

    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    // Connecting waits for the server; until it is done each replica counts by itself.
    private Task<IConnectionMultiplexer>? _connection;
    private long _silentSince;

    /// <summary>Gets the end of connecting.</summary>
    internal Task Connected => _connection ?? Task.CompletedTask;

    /// <summary>Connects before the gateway listens. Without Redis it starts all the same.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _connection = Task.Run(services.GetRequiredService<IConnectionMultiplexer>, CancellationToken.None);
        await Task.WhenAny(_connection, Task.Delay(ConnectPatience, cancellationToken));
        if (_connection.Exception is { } failed)
        {
            // It connects again by itself whenever there is something to connect to: this is the configuration.
            logger.LogError(failed.InnerException, "There is no Redis: each gateway counts its own requests");
        }
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Adds to a count.</summary>
    /// <param name="name">The count.</param>
    /// <param name="by">How much.</param>
    /// <param name="keep">How long the count is of use.</param>
    /// <returns>The count; null while Redis does not answer.</returns>
    public async Task<long?> AddAsync(string name, int by, TimeSpan keep)
    {
        var silentSince = Volatile.Read(ref _silentSince);
        if (_connection is not { IsCompletedSuccessfully: true } connection
            || (silentSince != 0 && clock.GetElapsedTime(silentSince) < Pause))
        {
            return null;
        }

        try
        {
            var count = connection.Result.GetDatabase().ScriptEvaluateAsync(
                AddScript, [KeyPrefix + name], [by, (long)keep.TotalMilliseconds]);
            var counted = await count.WaitAsync(options.Value.Patience, clock);
            Volatile.Write(ref _silentSince, 0);
            return (long)counted;
        }
        catch (Exception exception)
        {
            Volatile.Write(ref _silentSince, clock.GetTimestamp());
            logger.LogWarning(exception, "Redis does not count requests: each gateway counts its own");
            return null;
        }
    }
}

/// <summary>Registers the counts.</summary>
internal static class SharedCountsExtensions
{
    /// <summary>Adds the counts on a Redis connection.</summary>
    /// <param name="builder">The gateway's builder.</param>
    /// <param name="connectionName">The connection string's name.</param>
    public static void AddSharedCounts(this IHostApplicationBuilder builder, string connectionName)
    {
        builder.AddRedisClient(connectionName, LeaveOutOfHealth, options =>
        {
            options.AbortOnConnectFail = false;
            options.BacklogPolicy = BacklogPolicy.FailFast;
        });
        builder.Services.AddSingleton<SharedCounts>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SharedCounts>());
    }

    /// <summary>A gateway without Redis counts by itself: that is no reason to send it no requests.</summary>
    private static void LeaveOutOfHealth(StackExchangeRedisSettings settings) => settings.DisableHealthChecks = true;
}
