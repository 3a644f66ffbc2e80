using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Ledger.Service;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>What the ledger does can be seen in its metrics.</summary>
public sealed class MetricsTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_OfTransfersAndRefusals_CountEachOnce()
    {
        var metrics = ServersFixture.NewMetrics(out var meters);
        using var seen = new Seen(meters);
        var ledger = ServersFixture.NewLedger(servers.Database, ServersFixture.NewCache(redis: null), metrics);
        var account = ServersFixture.NewAccount();
        var deduction = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction);
        await ledger.MoveAsync(deduction, Cancellation);
        await ledger.MoveAsync(deduction, Cancellation);
        await ledger.MoveAsync(deduction with { Id = Guid.NewGuid(), Amount = 5000 }, Cancellation);

        Assert.Equal(1, seen.Sum("ledger.transfers", "kind=deduction"));
        Assert.Equal(100, seen.Sum("ledger.tokens", "kind=deduction"));
        Assert.Equal(1, seen.Sum("ledger.replays", "kind=deduction"));
        Assert.Equal(1, seen.Sum("ledger.refusals", "kind=deduction,reason=insufficient_tokens"));
        Assert.Equal(3, seen.Count("ledger.operation.duration", "operation=deduction"));
    }

    [Fact]
    public async Task Metrics_OfABatch_CountEachItemAndTheCharge()
    {
        var metrics = ServersFixture.NewMetrics(out var meters);
        using var seen = new Seen(meters);
        var cache = ServersFixture.NewCache(redis: null);
        var ledger = ServersFixture.NewLedger(servers.Database, cache, metrics);
        var hold = new HoldItem(
            HoldOperation.Hold, ServersFixture.NewAccount(), Guid.NewGuid(), Guid.Empty, 100, new byte[32]);
        var capture = hold with { Operation = HoldOperation.Capture, Amount = 30 };
        await ledger.CarryOutAsync([hold, capture, capture with { Id = Guid.NewGuid() }], Cancellation);
        await ledger.CarryOutAsync([capture, hold], Cancellation); // Sent again, they move nothing.

        Assert.Equal(1, seen.Sum("ledger.transfers", "kind=charge"));
        Assert.Equal(30, seen.Sum("ledger.tokens", "kind=charge"));
        Assert.Equal(1, seen.Sum("ledger.holds.items", "operation=hold,outcome=held"));
        Assert.Equal(2, seen.Sum("ledger.holds.items", "operation=capture,outcome=captured"));
        Assert.Equal(1, seen.Sum("ledger.unknown_hold", ""));
    }

    [Fact]
    public async Task Trace_OfADeduction_ReachesTheStatement()
    {
        var ended = new ConcurrentBag<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Npgsql" or nameof(MetricsTests),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource(nameof(MetricsTests));
        using var request = source.StartActivity("request");
        await servers.Ledger.MoveAsync(
            new TransferRequest(Guid.NewGuid(), ServersFixture.NewAccount(), 100, TransferKind.Deduction),
            Cancellation);
        Assert.Contains(ended, span => span.TraceId == request!.TraceId
            && span.TagObjects.Any(tag => $"{tag.Value}".Contains("FROM carry_out(", StringComparison.Ordinal)));
    }

    [Fact]
    public void Drift_BeforeTheFirstVerification_IsNotReported()
    {
        var metrics = ServersFixture.NewMetrics(out var meters);
        using var seen = new Seen(meters);
        seen.Observe();
        Assert.Equal(0, seen.Count("ledger.drift", ""));
        metrics.SetDrift(0);
        seen.Observe();
        Assert.Equal(1, seen.Count("ledger.drift", ""));
        Assert.Equal(0, seen.Sum("ledger.drift", ""));
    }

    /// <summary>All measurements of one meter factory.</summary>
    private sealed class Seen : IDisposable
    {
        private readonly ConcurrentBag<(string Instrument, string Tags, double Value)> _measurements = [];
        private readonly MeterListener _listener = new();

        public Seen(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == LedgerMetrics.MeterName && instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public double Sum(string instrument, string tags) => Of(instrument, tags).Sum(each => each.Value);

        public int Count(string instrument, string tags) => Of(instrument, tags).Count();

        public void Observe() => _listener.RecordObservableInstruments();

        public void Dispose() => _listener.Dispose();

        private IEnumerable<(string Instrument, string Tags, double Value)> Of(string instrument, string tags) =>
            _measurements.Where(each => each.Instrument == instrument && each.Tags == tags);

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            _measurements.Add((
                instrument.Name,
                string.Join(',', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}").Order()),
                value));
    }
}
