using System.Diagnostics.Metrics;
using Ledger.Service;
using Ledger.Service.Verification;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Ledger.Tests;

/// <summary>One replica verifies, and says in a metric what it found.</summary>
public sealed class DriftMonitorTests(ServersFixture servers)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Drift_OfAlteredBooks_IsReportedByOneReplicaAndThenByTheNext()
    {
        await using var books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        var accounts = ServersFixture.NewAccounts(books.Database, ServersFixture.NewCache(redis: null));
        await accounts.GetBalanceAsync(7, Cancellation);
        using var one = new Replica(books);
        using var other = new Replica(books);

        await one.Monitor.StartAsync(Cancellation);
        await UntilAsync(() => one.Read("ledger.drift") == 0);
        await other.Monitor.StartAsync(Cancellation);
        await books.ExecuteAsync("UPDATE accounts SET balance = balance + 1 WHERE id = 7");
        await UntilAsync(() => one.Read("ledger.drift") == 1);
        Assert.Null(other.Read("ledger.drift"));

        await one.Monitor.StopAsync(Cancellation);
        await UntilAsync(() => other.Read("ledger.drift") == 1);
        Assert.Null(one.Read("ledger.drift"));
        await other.Monitor.StopAsync(Cancellation);
    }

    /// <summary>What is older was verified when it was new, and is verified again once a day.</summary>
    [Fact]
    public async Task Verification_AfterTheFirst_LooksAtWhatIsNewAndOnceADayAtAll()
    {
        await using var books = await NewBooksAsync();
        await books.ExecuteAsync("""
            ALTER TABLE transfers DISABLE TRIGGER transfers_append_only;
            UPDATE transfers SET created_at = now() - interval '1 hour' WHERE account = 7;
            """);
        var clock = new MovedClock();
        using var replica = new Replica(books, clock);
        await replica.Monitor.StartAsync(Cancellation);
        await UntilAsync(() => replica.Read("ledger.drift") == 0);
        await books.ExecuteAsync("UPDATE accounts SET balance = balance + 1 WHERE id = 7");
        var before = replica.Runs;
        await UntilAsync(() => replica.Runs > before + 2);
        Assert.Equal(0, replica.Read("ledger.drift"));

        clock.Moved = TimeSpan.FromDays(1);
        await UntilAsync(() => replica.Read("ledger.drift") == 1);
        before = replica.Runs;
        await UntilAsync(() => replica.Runs > before + 2);
        Assert.Equal(1, replica.Read("ledger.drift")); // What is off stays named until it is mended.
        await books.ExecuteAsync("UPDATE accounts SET balance = balance - 1 WHERE id = 7");
        await UntilAsync(() => replica.Read("ledger.drift") == 0);
        await replica.Monitor.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Verification_OfSomeAccounts_LeavesOthersAlone()
    {
        await using var books = await NewBooksAsync();
        await books.ExecuteAsync("""
            ALTER TABLE transfers DISABLE TRIGGER transfers_append_only;
            UPDATE transfers SET created_at = now() - interval '1 hour' WHERE account IN (7, 9);
            UPDATE accounts SET balance = balance + 1;
            INSERT INTO holds (account_id, id, holder, request_hash, amount, day)
            VALUES (9, gen_random_uuid(), gen_random_uuid(), '', 5, '2026-01-05');
            """);
        var verifier = ServersFixture.NewVerifier(books.Database);
        Assert.Equal([8, 9], await verifier.ChangedAsync(DateTimeOffset.UtcNow.AddMinutes(-30), Cancellation));
        var named = new List<string>();
        await foreach (var drift in verifier.VerifyBooksAsync([8, 9], report: null, Cancellation))
        {
            named.Add(drift.Row);
        }

        Assert.Equal(["account 8", "account 9"], named.Order());
    }

    [Fact]
    public async Task OpenHolds_AreCountedByOneReplica()
    {
        await using var books = await NewBooksAsync();
        using var one = new Replica(books);
        using var other = new Replica(books);
        await one.Monitor.StartAsync(Cancellation);
        await UntilAsync(() => one.Read("ledger.holds.open") == 0 && one.Read("ledger.holds.oldest") == 0);
        await other.Monitor.StartAsync(Cancellation);
        await books.ExecuteAsync("""
            INSERT INTO holds (account_id, id, holder, request_hash, amount, day, created_at) VALUES
                (7, gen_random_uuid(), gen_random_uuid(), '', 5, now(), now() - interval '1 hour'),
                (8, gen_random_uuid(), gen_random_uuid(), '', 5, now(), now());
            UPDATE accounts SET held = 5 WHERE id IN (7, 8);
            """);
        await UntilAsync(() => one.Read("ledger.holds.open") == 2);
        Assert.InRange(one.Read("ledger.holds.oldest")!.Value, 3600, 3600 + Timeout.TotalSeconds);
        Assert.Null(other.Read("ledger.holds.open"));
        await one.Monitor.StopAsync(Cancellation);
        Assert.Null(one.Read("ledger.holds.open"));
        await other.Monitor.StopAsync(Cancellation);
    }

    /// <summary>Accounts 7, 8 and 9, each with its opening.</summary>
    private async Task<OwnDatabase> NewBooksAsync()
    {
        var books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        var accounts = ServersFixture.NewAccounts(books.Database, ServersFixture.NewCache(redis: null));
        foreach (var account in new[] { 7, 8, 9 })
        {
            await accounts.OpenAsync(account, 4000, Cancellation);
        }

        return books;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(Timeout);
        while (!condition())
        {
            await Task.Delay(10, patience.Token);
        }
    }

    private sealed class MovedClock : TimeProvider
    {
        public TimeSpan Moved { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Moved;
    }

    private sealed class Replica : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Dictionary<string, double> _seen = [];
        private int _runs;

        public Replica(OwnDatabase books, TimeProvider? time = null)
        {
            var metrics = ServersFixture.NewMetrics(out var meters);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => _seen[instrument.Name] = value);
            _listener.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
            {
                if (instrument.Name == "ledger.operation.duration")
                {
                    Interlocked.Increment(ref _runs);
                }
                else
                {
                    _seen[instrument.Name] = value;
                }
            });
            _listener.Start();
            Monitor = new DriftMonitor(
                ServersFixture.NewVerifier(books.Database),
                books.Database,
                metrics,
                Options.Create(new LedgerOptions { VerifyEvery = TimeSpan.FromMilliseconds(20) }),
                time ?? TimeProvider.System,
                NullLogger<DriftMonitor>.Instance);
        }

        public DriftMonitor Monitor { get; }

        /// <summary>How often it has verified.</summary>
        public int Runs => Volatile.Read(ref _runs);

        /// <summary>What a metric reads now; null when it is not reported.</summary>
        public double? Read(string instrument)
        {
            _seen.Clear();
            _listener.RecordObservableInstruments();
            return _seen.TryGetValue(instrument, out var value) ? value : null;
        }

        public void Dispose()
        {
            _listener.Dispose();
            Monitor.Dispose();
        }
    }
}
