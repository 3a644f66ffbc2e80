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
        var ledger = ServersFixture.NewLedger(books.Database, ServersFixture.NewCache(redis: null));
        await ledger.GetBalanceAsync(7, Cancellation);
        using var one = new Replica(books);
        using var other = new Replica(books);

        await one.Monitor.StartAsync(Cancellation);
        await UntilAsync(() => one.Drift() == 0);
        await other.Monitor.StartAsync(Cancellation);
        await books.ExecuteAsync("UPDATE accounts SET balance = balance + 1 WHERE id = 7");
        await UntilAsync(() => one.Drift() == 1);
        Assert.Null(other.Drift());

        await one.Monitor.StopAsync(Cancellation);
        await UntilAsync(() => other.Drift() == 1);
        Assert.Null(one.Drift());
        await other.Monitor.StopAsync(Cancellation);
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

    private sealed class Replica : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long? _seen;

        public Replica(OwnDatabase books)
        {
            var metrics = ServersFixture.NewMetrics(out var meters);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters && instrument.Name == "ledger.drift")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => _seen = value);
            _listener.Start();
            var verifier = ServersFixture.NewVerifier(books.Database);
            Monitor = new DriftMonitor(
                verifier,
                books.Database,
                metrics,
                Options.Create(new LedgerOptions { VerifyEvery = TimeSpan.FromMilliseconds(20) }),
                TimeProvider.System,
                NullLogger<DriftMonitor>.Instance);
        }

        public DriftMonitor Monitor { get; }

        /// <summary>What the metric reads now; null when it is not reported.</summary>
        public long? Drift()
        {
            _seen = null;
            _listener.RecordObservableInstruments();
            return _seen;
        }

        public void Dispose()
        {
            _listener.Dispose();
            Monitor.Dispose();
        }
    }
}
