using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Ledger.Service.Accounts;

/// <summary>
/// Balances in Redis, for reads only: no decision is ever made on them. Each value carries the account's revision,
/// and an older one never replaces a newer one, whatever the order in which replicas write. Without Redis every call is
/// a miss. A Redis that does not answer costs the calls of that moment a little patience and is then left alone
/// until it answers a ping, which no caller waits for; then it gets what it has missed. What can be seen meanwhile by
/// others, who may still reach it, is in docs/ledger.md.
/// </summary>
internal sealed class BalanceCache(
    IServiceProvider services,
    IOptions<LedgerOptions> options,
    LedgerMetrics metrics,
    TimeProvider time,
    ILogger<BalanceCache> logger) : BackgroundService
{
    /// <summary>The beginning of every key; the account follows.</summary>
    public const string KeyPrefix = "balance:";

    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PingInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>How many accounts are remembered of those that Redis has missed.</summary>
    private const int MaxMissed = 100_000;

    /// <summary>
    /// Sets KEYS[1] unless it holds the same or a newer revision. A value begins with it. What Redis has missed
    /// (ARGV[4]) only takes the place of an older value: where there is none, there may have been a newer one.
    /// </summary>
    private const string SetIfNewer = """
        local held = redis.call('GET', KEYS[1])
        if not held and ARGV[4] == '1' then return 0 end
        if held then
            local revision = tonumber(string.match(held, '^(%d+):'))
            if revision and revision >= tonumber(ARGV[1]) then return 0 end
        end
        redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
        return 1
        """;

    /// <summary>Deletes KEYS[1] if it still holds what was no balance.</summary>
    private const string DeleteIfSame = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
        return 0
        """;

    private readonly TimeSpan _patience = options.Value.CachePatience;
    private readonly SignedBalance _values = new(Encoding.UTF8.GetBytes(options.Value.CacheKey), time);

    // Connecting waits for the server; until it is done every call is a miss.
    private readonly Lazy<Task<IConnectionMultiplexer>> _connection = new(() =>
        Task.Run(services.GetRequiredService<IConnectionMultiplexer>));

    // What Redis has missed, and when. Older than what it can still hold it need not get any more.
    private readonly ConcurrentDictionary<long, (Balance Balance, DateTimeOffset At)> _missed = new();

    private volatile bool _isSilent;

    /// <summary>
    /// Connects before the service listens: a write that missed the cache while it was connecting would leave an older
    /// balance there. Without Redis the service starts all the same.
    /// </summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await await Task.WhenAny(_connection.Value, Task.Delay(ConnectPatience, cancellationToken));
        await base.StartAsync(cancellationToken);
    }

    /// <summary>A balance held, or null.</summary>
    public async Task<Balance?> GetAsync(long account)
    {
        Balance? balance = null;
        await TryAsync(account, async redis =>
        {
            var held = await redis.StringGetAsync(Key(account));
            balance = held.HasValue && _values.Read(account, held.ToString()) is (var read, true) ? read : null;
            if (_missed.ContainsKey(account))
            {
                balance = null; // Redis has not been told of the latest change yet.
            }
            else if (held.HasValue && balance is null)
            {
                // Its revision might keep the right value out for as long as it lies there.
                await redis.ScriptEvaluateAsync(DeleteIfSame, [Key(account)], [held]);
            }
        });
        metrics.CountCacheRead(hit: balance is not null);
        return balance;
    }

    /// <summary>Holds a balance that Postgres has confirmed, unless a newer one is held.</summary>
    public async Task SetAsync(long account, Balance balance)
    {
        var isHeld = await TryAsync(account, redis => SetIfNewerAsync(redis, account, balance, isLate: false));
        if (isHeld && _missed.TryGetValue(account, out var older) && older.Balance.Revision <= balance.Revision)
        {
            _missed.TryRemove(new(account, older));
        }
        else if (!isHeld && _missed.Count < MaxMissed)
        {
            var missed = (Balance: balance, At: time.GetUtcNow());
            _missed.AddOrUpdate(
                account, missed, (_, held) => held.Balance.Revision > missed.Balance.Revision ? held : missed);
        }
    }

    /// <summary>Every balance held, for verification.</summary>
    /// <returns>The key, and the account and balance under it, if any. What is too old is left out.</returns>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async IAsyncEnumerable<(string Key, long? Account, Balance? Balance)> ReadAllAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var connection = await _connection.Value.WaitAsync(cancellationToken);
        foreach (var server in connection.GetServers().Where(server => !server.IsReplica))
        {
            await foreach (var key in server.KeysAsync(pattern: $"{KeyPrefix}*").WithCancellation(cancellationToken))
            {
                var name = key.ToString();
                if (!long.TryParse(
                    name.AsSpan(KeyPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var account))
                {
                    yield return (name, null, null);
                    continue;
                }

                var held = await connection.GetDatabase().StringGetAsync(key);
                var read = held.HasValue ? _values.Read(account, held.ToString()) : null;
                if (held.HasValue && read is not { IsFresh: false }) // Otherwise it ends, or has just ended.
                {
                    yield return (name, account, read?.Balance);
                }
            }
        }
    }

    /// <summary>Asks a silent Redis until it answers, so that no caller has to.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(PingInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (_isSilent || !_missed.IsEmpty)
            {
                _isSilent = !await CatchUpAsync(stoppingToken);
            }
        }
    }

    /// <summary>Gives Redis what it has missed.</summary>
    /// <returns>Whether it answers.</returns>
    private async Task<bool> CatchUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            var redis = (await _connection.Value).GetDatabase();
            await redis.PingAsync().WaitAsync(_patience, cancellationToken);
            foreach (var (account, missed) in _missed)
            {
                if (time.GetUtcNow() - missed.At < SignedBalance.Lifetime)
                {
                    await SetIfNewerAsync(redis, account, missed.Balance, isLate: true)
                        .WaitAsync(_patience, cancellationToken);
                }

                _missed.TryRemove(new(account, missed)); // Unless a newer one has been missed meanwhile.
            }

            return true;
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            return false;
        }
    }

    private Task<RedisResult> SetIfNewerAsync(IDatabase redis, long account, Balance balance, bool isLate) =>
        redis.ScriptEvaluateAsync(
            SetIfNewer,
            [Key(account)],
            [
                balance.Revision,
                _values.Write(account, balance),
                (int)SignedBalance.Lifetime.TotalSeconds,
                isLate ? 1 : 0,
            ]);

    /// <returns>Whether Redis has answered.</returns>
    private async Task<bool> TryAsync(long account, Func<IDatabase, Task> call)
    {
        if (_isSilent || _connection.Value is not { IsCompletedSuccessfully: true } connection
            || !connection.Result.IsConnected)
        {
            return false;
        }

        var redis = connection.Result.GetDatabase();
        try
        {
            // The client looks at its own time-outs once a second only.
            await call(redis).WaitAsync(_patience);
            return true;
        }
        catch (RedisServerException exception)
            when (exception.Message.StartsWith("WRONGTYPE", StringComparison.Ordinal))
        {
            redis.KeyDelete(Key(account), CommandFlags.FireAndForget); // Somebody keeps something else under the name.
            return true;
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            _isSilent = true;
            logger.LogDebug(exception, "Redis did not answer");
            return false;
        }
    }

    private static RedisKey Key(long account) => KeyPrefix + account.ToString(CultureInfo.InvariantCulture);
}
