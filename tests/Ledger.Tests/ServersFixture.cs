using Ledger.Service;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
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

    private DistributedApplication? _app;

    internal NpgsqlDataSource Database { get; private set; } = null!;

    internal IConnectionMultiplexer Redis { get; private set; } = null!;

    internal TransferStore Store { get; private set; } = null!;

    internal TokenLedger Ledger { get; private set; } = null!;

    /// <summary>An account that no other test uses.</summary>
    internal static long NewAccount() => Interlocked.Increment(ref s_lastAccount);

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = DistributedApplicationTestingBuilder.Create();
        builder.AddPostgres("postgres").AddDatabase("ledgerdb");
        builder.AddRedis("cache");
        _app = await builder.BuildAsync(cancellationToken);
        await _app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        await _app.ResourceNotifications.WaitForResourceHealthyAsync("ledgerdb", cancellationToken)
            .WaitAsync(StartTimeout, cancellationToken);
        await _app.ResourceNotifications.WaitForResourceHealthyAsync("cache", cancellationToken)
            .WaitAsync(StartTimeout, cancellationToken);

        var connectionString = await _app.GetConnectionStringAsync("ledgerdb", cancellationToken);
        await using (var db = NewContext(connectionString!))
        {
            await db.Database.MigrateAsync(cancellationToken);
        }

        Database = NpgsqlDataSource.Create($"{connectionString};Maximum Pool Size=24;Max Auto Prepare=32");
        Redis = await ConnectionMultiplexer.ConnectAsync(
            (await _app.GetConnectionStringAsync("cache", cancellationToken))!);
        Store = new TransferStore(Database);
        Ledger = NewLedger(NewCache(Redis));
    }

    internal static LedgerDb NewContext(string connectionString) => new(
        new DbContextOptionsBuilder<LedgerDb>().UseNpgsql(connectionString).UseSnakeCaseNamingConvention().Options);

    /// <summary>A ledger with a cache of the test's choice, such as one without Redis.</summary>
    internal TokenLedger NewLedger(BalanceCache cache) => new(Store, cache, Options.Create(new LedgerOptions()));

    /// <summary>A cache on a connection; null is a Redis that cannot be reached.</summary>
    internal static BalanceCache NewCache(IConnectionMultiplexer? redis)
    {
        var services = new ServiceCollection();
        services.AddSingleton(_ => redis ?? throw new RedisException("None."));
        return new BalanceCache(
            services.BuildServiceProvider(), TimeProvider.System, NullLogger<BalanceCache>.Instance);
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
    /// The invariants of one account: the balance is what the transfers say, and the latest transfer says it too.
    /// </summary>
    internal async Task AssertBooksBalanceAsync(long account, long expected)
    {
        Assert.Equal(expected, await NumberAsync("SELECT balance FROM accounts WHERE id = $1", account));
        Assert.Equal(expected, await NumberAsync("""
            SELECT coalesce(sum(CASE WHEN credit_account = $1 THEN amount ELSE -amount END), 0)::bigint
            FROM transfers WHERE $1 IN (credit_account, debit_account)
            """, account));
        Assert.Equal(
            await NumberAsync("SELECT version FROM accounts WHERE id = $1", account),
            await NumberAsync("SELECT count(*) FROM transfers WHERE $1 IN (credit_account, debit_account)", account));
    }

    public async ValueTask DisposeAsync()
    {
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
    }
}
