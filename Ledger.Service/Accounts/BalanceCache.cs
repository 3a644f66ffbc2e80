using System.Globalization;
using Aspire.StackExchange.Redis;
using StackExchange.Redis;

namespace Ledger.Service.Accounts;

/// <summary>
/// Balances in Redis, for reads only: no decision is ever made on them. Each value carries the account's version, and
/// an older version never replaces a newer one, whatever the order in which replicas write. Without Redis every call is
/// a miss; a Redis that is slow costs a call <see cref="Patience"/> once and is then left alone for <see cref="Rest"/>.
/// </summary>
internal sealed class BalanceCache(IServiceProvider services, TimeProvider time, ILogger<BalanceCache> logger)
    : IHostedService
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a value lives, in seconds.
    /// It bounds how old a balance can be when a write reached Postgres and not Redis.
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

    // Connecting waits for the server; until it is done every call is a miss.
    private readonly Lazy<Task<IConnectionMultiplexer>> _connection = new(() =>
        Task.Run(services.GetRequiredService<IConnectionMultiplexer>));

    // UTC ticks: one word, since requests on all threads read and write it.
    private long _restUntil;

    /// <summary>
    /// Connects before the service listens: a write that missed the cache while it was connecting would leave an older
    /// balance there. Without Redis the service starts all the same.
    /// </summary>
    public Task StartAsync(CancellationToken cancellationToken) => Task.WhenAny(
        _connection.Value, Task.Delay(ConnectPatience, cancellationToken)).Unwrap();

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>A balance held, or null.</summary>
    /// <param name="account">The account.</param>
    public async Task<Balance?> GetAsync(long account)
    {
        Balance? balance = null;
        await TryAsync(async redis => balance = Parse(await redis.StringGetAsync(Key(account))));
        return balance;
    }

    /// <summary>Holds a balance that Postgres has confirmed, unless a newer one is held.</summary>
    /// <param name="account">The account.</param>
    /// <param name="balance">Its balance.</param>
    public Task SetAsync(long account, Balance balance) => TryAsync(redis => redis.ScriptEvaluateAsync(
        SetIfNewer, [Key(account)], [balance.Version, balance.Tokens, LifetimeSeconds]));

    private async Task TryAsync(Func<IDatabase, Task> call)
    {
        if (_connection.Value is not { IsCompletedSuccessfully: true } connection || !connection.Result.IsConnected
            || time.GetUtcNow().UtcTicks < Volatile.Read(ref _restUntil))
        {
            return;
        }

        try
        {
            // The client looks at its own time-outs once a second only.
            await call(connection.Result.GetDatabase()).WaitAsync(Patience);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            Volatile.Write(ref _restUntil, (time.GetUtcNow() + Rest).UtcTicks);
            logger.LogDebug(exception, "Redis did not answer");
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
}

/// <summary>Registers the cache.</summary>
internal static class BalanceCacheExtensions
{
    /// <summary>Adds the cache on a Redis connection.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="connectionName">The connection string's name.</param>
    public static void AddBalanceCache(this IHostApplicationBuilder builder, string connectionName)
    {
        builder.AddRedisClient(connectionName, LeaveOutOfHealth, options =>
        {
            options.AbortOnConnectFail = false;
            options.BacklogPolicy = BacklogPolicy.FailFast;
        });
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<BalanceCache>();
        builder.Services.AddHostedService(services => services.GetRequiredService<BalanceCache>());
    }

    /// <summary>A ledger without Redis is slower and as right: that is no reason to send it no requests.</summary>
    private static void LeaveOutOfHealth(StackExchangeRedisSettings settings) => settings.DisableHealthChecks = true;
}
