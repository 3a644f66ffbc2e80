using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Ledger.Service.Transfers;

namespace Ledger.Service;

/// <summary>What the ledger does, in numbers. Names are lower case with dots, units as in UCUM.</summary>
internal sealed class LedgerMetrics
{
    public const string MeterName = "Ledger.Service";

    private readonly Counter<long> _transfers, _tokens, _replays, _refusals;
    private readonly Counter<long> _holdItems, _unknownHolds, _cacheReads, _events;
    private readonly Histogram<int> _batchSize;
    private readonly Histogram<double> _duration;
    private long? _drift;
    private OpenHolds? _holds;

    public LedgerMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _transfers = meter.CreateCounter<long>(
            "ledger.transfers", "{transfer}", "Transfers written, by kind: opening, charge, deduction, credit.");
        _tokens = meter.CreateCounter<long>("ledger.tokens", "{token}", "Tokens moved by them, by kind.");
        _replays = meter.CreateCounter<long>(
            "ledger.replays", "{request}", "Requests that were answered with an earlier outcome, by kind.");
        _refusals = meter.CreateCounter<long>(
            "ledger.refusals", "{request}", "Requests that moved nothing, by kind and reason.");
        _holdItems = meter.CreateCounter<long>(
            "ledger.holds.items", "{item}", "Items of batches, by operation and outcome.");
        _unknownHolds = meter.CreateCounter<long>(
            "ledger.unknown_hold", "{item}", "Captures of what was not held. Must be 0.");
        _batchSize = meter.CreateHistogram<int>("ledger.holds.batch_size", "{item}", "Items of a batch.");
        _cacheReads = meter.CreateCounter<long>("ledger.cache.reads", "{read}", "Reads of the cache: hit or miss.");
        _events = meter.CreateCounter<long>(
            "ledger.webhook.events", "{event}", "Events about limits that were sent, by result.");
        _duration = meter.CreateHistogram<double>(
            "ledger.operation.duration", "s", "How long a read or transfer took, with Postgres and Redis.");
        meter.CreateObservableGauge(
            "ledger.drift", () => Each(_drift), "{row}", "Rows that the last verification found to be off. Must be 0.");
        meter.CreateObservableGauge(
            "ledger.holds.open", () => Each(_holds?.Count), "{hold}", "Holds that are neither captured nor released.");
        meter.CreateObservableGauge(
            "ledger.holds.oldest", () => Each(_holds?.OldestSeconds), "s", "The age of the oldest of them.");
    }

    /// <summary>A value's name, as in the API.</summary>
    public static string Name<TEnum>(TEnum value)
        where TEnum : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName($"{value}");

    /// <summary>Counts a request.</summary>
    public void Count(TransferKind kind, HoldOutcome status, long amount)
    {
        var kindTag = new KeyValuePair<string, object?>("kind", Name(kind));
        switch (status)
        {
            case HoldOutcome.Created:
                _transfers.Add(1, kindTag);
                _tokens.Add(amount, kindTag);
                break;
            case HoldOutcome.Exists: _replays.Add(1, kindTag); break;
            default: _refusals.Add(1, kindTag, new("reason", LedgerProblems.Code(status))); break;
        }
    }

    /// <summary>Counts the items of a batch.</summary>
    public void Count(IReadOnlyList<HoldItem> items, IReadOnlyList<HoldResult> results)
    {
        _batchSize.Record(items.Count);
        _unknownHolds.Add(results.Count(result => result.Outcome is HoldOutcome.UnknownHold));
        foreach (var (item, result) in items.Zip(results))
        {
            _holdItems.Add(1, new("operation", Name(item.Operation)), new("outcome", Name(result.Outcome)));
        }
    }

    /// <summary>Counts a read of the cache.</summary>
    public void CountCacheRead(bool hit) =>
        _cacheReads.Add(1, new KeyValuePair<string, object?>("result", hit ? "hit" : "miss"));

    /// <summary>Counts an event about a limit that was sent.</summary>
    public void CountEvent(bool delivered) =>
        _events.Add(1, new KeyValuePair<string, object?>("result", delivered ? "delivered" : "failed"));

    /// <summary>Measures an operation until the result is disposed.</summary>
    public Timer Time(string operation) => new(_duration, operation, Stopwatch.GetTimestamp());

    /// <summary>Keeps what a verification found.</summary>
    /// <param name="rows">How many rows are off; null when it is not this replica's to say.</param>
    public void SetDrift(long? rows) => _drift = rows;

    /// <summary>Keeps how many holds are open.</summary>
    /// <param name="holds">The holds; null when it is not this replica's to say.</param>
    public void SetHolds(OpenHolds? holds) => _holds = holds;

    /// <summary>Nothing is reported by a replica that does not know.</summary>
    private static IEnumerable<Measurement<T>> Each<T>(T? value)
        where T : struct => value is { } known ? [new Measurement<T>(known)] : [];

    internal sealed record OpenHolds(long Count, double OldestSeconds);

    internal readonly record struct Timer(Histogram<double> Duration, string Operation, long Began) : IDisposable
    {
        public void Dispose() => Duration.Record(
            Stopwatch.GetElapsedTime(Began).TotalSeconds, new KeyValuePair<string, object?>("operation", Operation));
    }
}
