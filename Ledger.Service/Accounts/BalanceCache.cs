using System.Globalization;
using Aspire.StackExchange.Redis;
using StackExchange.Redis;

namespace Ledger.Service.Accounts;

/// <summary>
/// Balances in Redis, for reads only: no decision is ever made on them. Each value carries the account's version, and an
/// older version never replaces a newer one, whatever the order in which replicas write. Without Redis every call is a
/// miss, at no cost in time.
/// </summary>
internal sealed class BalanceCache(IServiceProvider services, ILogger<BalanceCache> logger)
{
    /// <summary>
    /// How long a value lives, in seconds. It bounds how old a balance can be when a write reached Postgres and not Redis.
    /// </summary>
    private const int LifetimeSeconds = 10;

    /// <summary>Sets KEYS[1] to "version:tokens" unless it holds the same or a newer version.</summary>
    private const string SetIfNewer = """
        local held = redis.call('GET', KEYS[1])
        if held then
            local version = tonumber(string.match(held, '^(%d+):'))
            if version and version >= tonumber(ARGV[1]) then return 0 end
        end
        redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'EX', ARGV[3])
        return 1
        """;

    // Connecting waits for the server; that is done aside, once, and until then every call is a miss.
    private readonly Lazy<Task<IConnectionMultiplexer>> _connection = new(() =>
        Task.Run(services.GetRequiredService<IConnectionMultiplexer>));

    /// <summary>A balance held, or null.</summary>
    /// <param name="account">The account.</param>
    public async Task<Balance?> GetAsync(long account)
    {
        if (Connected() is not { } redis)
        {
            return null;
        }

        try
        {
            return Parse(await redis.StringGetAsync(Key(account)));
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            logger.LogDebug(exception, "A balance could not be read from Redis");
            return null;
        }
    }

    /// <summary>Holds a balance that Postgres has confirmed, unless a newer one is held.</summary>
    /// <param name="account">The account.</param>
    /// <param name="balance">Its balance.</param>
    public async Task SetAsync(long account, Balance balance)
    {
        if (Connected() is not { } redis)
        {
            return;
        }

        try
        {
            await redis.ScriptEvaluateAsync(
                SetIfNewer, [Key(account)], [balance.Version, balance.Tokens, LifetimeSeconds]);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            logger.LogDebug(exception, "A balance could not be written to Redis");
        }
    }

    private static RedisKey Key(long account) => $"balance:{account.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Anything but what <see cref="SetAsync"/> writes is a miss.</summary>
    private static Balance? Parse(RedisValue held) =>
        held.HasValue && held.ToString().Split(':') is [var version, var tokens]
        && long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var v)
        && long.TryParse(tokens, NumberStyles.None, CultureInfo.InvariantCulture, out var t)
            ? new Balance(t, v)
            : null;

    private IDatabase? Connected() =>
        _connection.Value is { IsCompletedSuccessfully: true } task && task.Result.IsConnected
            ? task.Result.GetDatabase()
            : null;
}

/// <summary>Registers the cache.</summary>
internal static class BalanceCacheExtensions
{
    /// <summary>How long a request may wait for Redis, in milliseconds.</summary>
    private const int TimeoutMs = 200;

    /// <summary>Adds the cache on a Redis connection.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="connectionName">The connection string's name.</param>
    public static void AddBalanceCache(this IHostApplicationBuilder builder, string connectionName)
    {
        builder.AddRedisClient(connectionName, LeaveOutOfHealth, options =>
        {
            options.AbortOnConnectFail = false;
            options.AsyncTimeout = options.SyncTimeout = TimeoutMs;
            options.BacklogPolicy = BacklogPolicy.FailFast;
        });
        builder.Services.AddSingleton<BalanceCache>();
    }

    /// <summary>A ledger without Redis is slower and as right: that is no reason to send it no requests.</summary>
    private static void LeaveOutOfHealth(StackExchangeRedisSettings settings) => settings.DisableHealthChecks = true;
}
