using System.Diagnostics.Metrics;
using Ledger.Service;
using Ledger.Service.Accounts;
using Ledger.Service.Holds;
using Ledger.Service.Transfers;
using Ledger.Service.Verification;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using StackExchange.Redis;

[assembly: AssemblyFixture(typeof(Ledger.Tests.ServersFixture))]

namespace Ledger.Tests;

/// <summary>
/// A real Postgres with the ledger's schema and a real Redis, once for all tests. Tests use accounts of their own.
/// </summary>
public sealed class ServersFixture : IAsyncLifetime
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);
    private static long s_lastAccount;

    /// <summary>As the AppHost would set it.</summary>
    internal static LedgerOptions Settings { get; } = new()
    {
        CacheKey = new string('k', 32),
        CachePatience = TimeSpan.FromSeconds(10), // A busy machine is no silent Redis.
    };

    private DistributedApplication? _app;
    private BalanceCache? _cache;

    /// <summary>Knows every number as a user's.</summary>
    internal static StubIdentity Identity { get; private set; } = null!;

    internal NpgsqlDataSource Database { get; private set; } = null!;

    internal IConnectionMultiplexer Redis { get; private set; } = null!;

    internal AccountLedger Accounts { get; private set; } = null!;

    internal TokenLedger Ledger { get; private set; } = null!;

    internal HoldLedger Holds { get; private set; } = null!;

    internal LedgerVerifier Verifier { get; private set; } = null!;

    internal string ConnectionString { get; private set; } = null!;

    /// <summary>An account that no other test uses.</summary>
    internal static long NewAccount() => Interlocked.Increment(ref s_lastAccount);

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        Identity = await StubIdentity.StartAsync();
        _app = await TestServers.StartAsync("ledgerdb", "cache");
        ConnectionString = (await _app.GetConnectionStringAsync("ledgerdb", cancellationToken))!;
        await using (var db = NewContext(ConnectionString))
        {
            await db.Database.MigrateAsync(cancellationToken);
        }

        Database = NewDatabase(ConnectionString);
        Redis = await ConnectionMultiplexer.ConnectAsync(
            (await _app.GetConnectionStringAsync("cache", cancellationToken))!);
        _cache = NewCache(Redis);
        await _cache.StartAsync(cancellationToken);
        Accounts = NewAccounts(Database, _cache);
        Ledger = NewLedger(Database, _cache);
        Holds = new HoldLedger(Database);
        Verifier = new LedgerVerifier(Database, Accounts, _cache);
    }

    internal static LedgerDb NewContext(string connectionString) => new(
        new DbContextOptionsBuilder<LedgerDb>().UseNpgsql(connectionString).UseSnakeCaseNamingConvention().Options);

    /// <summary>A pool as the service has it.</summary>
    internal static NpgsqlDataSource NewDatabase(string connectionString) =>
        NpgsqlDataSource.Create($"{connectionString};Maximum Pool Size=24;Max Auto Prepare=32");

    /// <summary>Accounts with a cache of the test's choice, such as one without Redis.</summary>
    internal static AccountLedger NewAccounts(
        NpgsqlDataSource database, BalanceCache cache, LedgerMetrics? metrics = null, Openings? openings = null) => new(
        database, cache, metrics ?? NewMetrics(), openings ?? Identity.Openings);

    /// <summary>A ledger, as a replica has it, with a cache of the test's choice.</summary>
    internal static TokenLedger NewLedger(
        NpgsqlDataSource database, BalanceCache cache, LedgerMetrics? metrics = null, Openings? openings = null,
        TimeProvider? clock = null)
    {
        metrics ??= NewMetrics();
        return new(
            database,
            NewAccounts(database, cache, metrics, openings),
            cache,
            metrics,
            clock ?? TimeProvider.System,
            NullLogger<TokenLedger>.Instance);
    }

    /// <summary>A verifier of a database that has no cache.</summary>
    internal static LedgerVerifier NewVerifier(NpgsqlDataSource database)
    {
        var cache = NewCache(redis: null);
        return new LedgerVerifier(database, NewAccounts(database, cache), cache);
    }

    /// <summary>The ledger of another replica.</summary>
    internal TokenLedger NewLedger() => LedgerOn(TimeProvider.System);

    /// <summary>The same, on a clock of the test's choice.</summary>
    internal TokenLedger LedgerOn(TimeProvider clock) => NewLedger(Database, _cache!, clock: clock);

    /// <summary>A cache on a connection; null is a Redis that cannot be reached.</summary>
    internal static BalanceCache NewCache(
        IConnectionMultiplexer? redis, TimeProvider? time = null, LedgerOptions? settings = null)
    {
        var services = new ServiceCollection();
        services.AddSingleton(_ => redis ?? throw new RedisException("None."));
        return new BalanceCache(
            services.BuildServiceProvider(),
            Options.Create(settings ?? Settings),
            NewMetrics(),
            time ?? TimeProvider.System,
            NullLogger<BalanceCache>.Instance);
    }

    internal static LedgerMetrics NewMetrics() => NewMetrics(out _);

    internal static LedgerMetrics NewMetrics(out IMeterFactory meters)
    {
        meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        return new LedgerMetrics(meters);
    }

    /// <summary>Reads one number with SQL.</summary>
    internal async Task<long> NumberAsync(string sql, params long[] values)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var command = Database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = value });
        }

        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>
    /// Opens an account and reads its balance until the cache holds it: the cache may be resting, because Redis was
    /// slow for a moment.
    /// </summary>
    internal async Task<string> HeldBalanceAsync(long account)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(StartTimeout);
        while (true)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Accounts.GetBalanceAsync(account, TestContext.Current.CancellationToken);
            if (await Redis.GetDatabase().StringGetAsync($"balance:{account}") is { HasValue: true } held)
            {
                return held.ToString();
            }
        }
    }

    /// <summary>Waits until some sessions wait for this one, or for another that does.</summary>
    internal async Task BlockedByAsync(NpgsqlConnection holder, int count)
    {
        const string Waiting = """
            WITH RECURSIVE waiting AS (
                SELECT $1::int AS pid
                UNION
                SELECT a.pid FROM pg_stat_activity a JOIN waiting w ON w.pid = ANY (pg_blocking_pids(a.pid)))
            SELECT count(*) - 1 FROM waiting
            """;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(StartTimeout);
        while (await NumberAsync(Waiting, holder.ProcessID) < count)
        {
            patience.Token.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// The invariants of one account: the balance is what the transfers say, and the latest transfer says it too.
    /// </summary>
    internal async Task AssertBooksBalanceAsync(long account, long expected)
    {
        Assert.Equal(expected, await NumberAsync("SELECT balance FROM accounts WHERE id = $1", account));
        Assert.Equal(expected, await NumberAsync(
            "SELECT coalesce(sum(amount), 0)::bigint FROM transfers WHERE account = $1", account));
        Assert.Equal(
            await NumberAsync("SELECT version FROM accounts WHERE id = $1", account),
            await NumberAsync("SELECT count(*) FROM transfers WHERE account = $1", account));
    }

    public async ValueTask DisposeAsync()
    {
        if (_cache is not null)
        {
            await _cache.StopAsync(CancellationToken.None);
            _cache.Dispose();
        }

        if (Redis is not null)
        {
            await Redis.DisposeAsync();
        }

        if (Database is not null)
        {
            await Database.DisposeAsync();
        }

        if (_app is not null)
        {
            await _app.DisposeAsync();
        }

        await Identity.DisposeAsync();
    }
}
