using System.Collections.Concurrent;
using Aspire.Hosting.ApplicationModel;
using Ledger.Service.Transfers;
using Ledger.Service.Verification;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Npgsql;
using StackExchange.Redis;

namespace Ledger.Tests;

/// <summary>Servers of this test's own, killed in the middle of it.</summary>
public sealed class ChaosTests
{
    private const int Operations = 10_000;
    private const int Callers = 16;
    private const int Accounts = 25;

    /// <summary>After how many operations something is killed, by turns.</summary>
    private const int KillEvery = 2_000;

    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(50);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Operations_WhilePostgresAndRedisAreKilled_LoseNothingThatWasAcknowledged()
    {
        await using var app = await TestServers.StartAsync("ledgerdb", "cache");
        var connectionString = (await app.GetConnectionStringAsync("ledgerdb", Cancellation))!;
        await using (var db = ServersFixture.NewContext(connectionString))
        {
            await db.Database.MigrateAsync(Cancellation);
        }

        await using var database = ServersFixture.NewDatabase(connectionString);
        var options = ConfigurationOptions.Parse((await app.GetConnectionStringAsync("cache", Cancellation))!);
        options.AbortOnConnectFail = false;
        await using var redis = await ConnectionMultiplexer.ConnectAsync(options);
        using var cache = ServersFixture.NewCache(redis);
        await cache.StartAsync(Cancellation);
        var ledger = ServersFixture.NewLedger(database, cache);
        var accounts = ServersFixture.NewAccounts(database, cache);

        var acknowledged = new ConcurrentDictionary<Guid, bool>();
        var done = 0;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(CallAsync)).WaitAsync(Timeout, Cancellation);

        await cache.StopAsync(Cancellation);
        await HealthyAgainAsync(app, "cache", since: DateTime.MinValue);
        Assert.Equal(Operations, done);
        var verifier = new LedgerVerifier(database, accounts, cache);
        await foreach (var drift in verifier.VerifyBooksAsync(accounts: null, report: null, Cancellation))
        {
            Assert.Fail($"{drift}");
        }

        await foreach (var drift in verifier.VerifyCacheAsync(Cancellation))
        {
            Assert.Fail($"{drift}");
        }

        Assert.Equal(acknowledged.Count(pair => pair.Value), await CountAsync(database, acknowledged.Keys));
        Assert.Equal(
            acknowledged.Count(pair => pair.Value),
            await CountAsync(database, acknowledged.Where(pair => pair.Value).Select(pair => pair.Key)));

        async Task CallAsync(int caller)
        {
            var random = new Random(caller);
            for (int number; (number = Interlocked.Increment(ref done)) <= Operations;)
            {
                if (number % KillEvery == 0)
                {
                    await KillAsync(app, number / KillEvery % 2 == 0 ? "cache" : "postgres");
                }

                var id = Guid.NewGuid();
                var account = 1 + random.Next(Accounts);
                var hold = new HoldItem(HoldOperation.Hold, account, id, Guid.Empty, 4, new byte[32]);
                acknowledged[id] = random.Next(4) switch
                {
                    0 => await MoveAsync(new TransferRequest(id, account, 5, TransferKind.Credit, "chaos")),
                    1 => await MoveAsync(new TransferRequest(id, account, 3, TransferKind.Deduction)),
                    2 => await HoldAsync(hold, hold with { Operation = HoldOperation.Capture, Amount = 3 }),
                    _ => await HoldAsync(hold, hold with { Operation = HoldOperation.Release }),
                };
            }

            Interlocked.Decrement(ref done); // The one that was too many.
        }

        Task<bool> MoveAsync(TransferRequest request) => UntilAcknowledgedAsync<bool>(async () =>
            (await ledger.MoveAsync(request, Cancellation)).Status is HoldOutcome.Created or HoldOutcome.Exists);

        async Task<bool> HoldAsync(HoldItem hold, HoldItem end) =>
            await CarryOutAsync(hold) is HoldOutcome.Held && await CarryOutAsync(end) is HoldOutcome.Captured;

        Task<HoldOutcome> CarryOutAsync(HoldItem item) => UntilAcknowledgedAsync<HoldOutcome>(async () =>
            (await ledger.CarryOutAsync([item], Cancellation))[0].Outcome is not HoldOutcome.Failed and var outcome
                ? outcome : null);
    }

    /// <summary>As a client does whose answer was lost: the same request again, until there is an answer.</summary>
    private static async Task<T> UntilAcknowledgedAsync<T>(Func<Task<T?>> operation)
        where T : struct
    {
        while (true)
        {
            try
            {
                if (await operation() is { } answer)
                {
                    return answer;
                }
            }
            catch (Exception exception) when (exception is NpgsqlException or TimeoutException)
            {
                // Not acknowledged.
            }

            await Task.Delay(RetryDelay, Cancellation);
        }
    }

    private static async Task KillAsync(DistributedApplication app, string resource)
    {
        var state = await app.ResourceNotifications.WaitForResourceAsync(
            resource, e => e.Snapshot.Properties.Length > 0, Cancellation).WaitAsync(Timeout, Cancellation);
        using var process = await app.ProcessAsync(resource);
        process.Kill();
        await HealthyAgainAsync(app, resource, since: state.Snapshot.StartTimeStamp!.Value);
    }

    private static Task<ResourceEvent> HealthyAgainAsync(DistributedApplication app, string resource, DateTime since) =>
        app.ResourceNotifications.WaitForResourceAsync(
            resource,
            e => e.Snapshot.StartTimeStamp > since && e.Snapshot.HealthStatus == HealthStatus.Healthy,
            Cancellation).WaitAsync(Timeout, Cancellation);

    private static async Task<long> CountAsync(NpgsqlDataSource database, IEnumerable<Guid> ids)
    {
        await using var command = database.CreateCommand("SELECT count(*) FROM transfers WHERE id = ANY ($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. ids] });
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
