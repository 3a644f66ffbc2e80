using System.Collections.Concurrent;
using Aspire.Hosting.ApplicationModel;
using Ledger.Service.Transfers;
using Ledger.Service.Verification;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
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

        var acknowledged = new ConcurrentDictionary<Guid, TransferStatus>();
        var done = 0;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(CallAsync)).WaitAsync(Timeout, Cancellation);

        await cache.StopAsync(Cancellation);
        await HealthyAgainAsync(app, "cache", since: DateTime.MinValue);
        Assert.Equal(Operations, done);
        var verifier = new LedgerVerifier(database, new LedgerReader(database), cache);
        await foreach (var drift in verifier.VerifyBooksAsync(report: null, Cancellation))
        {
            Assert.Fail($"{drift}");
        }

        await foreach (var drift in verifier.VerifyCacheAsync(Cancellation))
        {
            Assert.Fail($"{drift}");
        }

        Assert.Equal(
            acknowledged.Count(pair => pair.Value is TransferStatus.Created or TransferStatus.Exists),
            await CountAsync(database, acknowledged));

        async Task CallAsync(int caller)
        {
            var random = new Random(caller);
            var charges = new List<Guid>();
            for (int number; (number = Interlocked.Increment(ref done)) <= Operations;)
            {
                if (number % KillEvery == 0)
                {
                    await KillAsync(app, number / KillEvery % 2 == 0 ? "cache" : "postgres");
                }

                var id = Guid.NewGuid();
                var account = 1 + random.Next(Accounts);
                var kind = random.Next(4);
                acknowledged[id] = await UntilAcknowledgedAsync(async () => (kind, charges) switch
                {
                    (0, [.., var charge]) =>
                        await ledger.RefundAsync(new RefundRequest(charge, id, 1), Cancellation),
                    (1, _) => await ledger.CreditAsync(
                        new TransferRequest(id, account, 5, TransferKind.Credit, "chaos"), Cancellation),
                    _ => await ledger.DebitAsync(
                        new TransferRequest(id, account, 3, TransferKind.Charge), Cancellation),
                });
                charges.Add(id);
            }

            Interlocked.Decrement(ref done); // The one that was too many.
        }
    }

    /// <summary>As a client does whose answer was lost: the same request again, until there is an answer.</summary>
    private static async Task<TransferStatus> UntilAcknowledgedAsync(Func<Task<Outcome>> operation)
    {
        while (true)
        {
            try
            {
                return (await operation()).Status;
            }
            catch (Exception exception) when (exception is NpgsqlException or TimeoutException)
            {
                await Task.Delay(RetryDelay, Cancellation);
            }
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

    private static async Task<long> CountAsync(
        NpgsqlDataSource database, ConcurrentDictionary<Guid, TransferStatus> acknowledged)
    {
        await using var command = database.CreateCommand("SELECT count(*) FROM transfers WHERE id = ANY ($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]>
        {
            TypedValue =
            [
                .. acknowledged.Where(pair => pair.Value is TransferStatus.Created or TransferStatus.Exists)
                    .Select(pair => pair.Key),
            ],
        });
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
