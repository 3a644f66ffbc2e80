using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Instruments of the frameworks that count each step of each request. They cost half of what measuring costs under
/// load, and tell little that the durations of requests, calls and queries do not: measured where that is asked for.
/// </summary>
internal static class SparedInstruments
{
    /// <summary>The configuration's key of whether to measure them all the same.</summary>
    public const string Key = "Telemetry:AllInstruments";

    private static readonly FrozenSet<string> Names = new[]
    {
        "aspnetcore.authentication.authenticate.duration",
        "aspnetcore.authorization.attempts",
        "aspnetcore.memory_pool.allocated",
        "aspnetcore.memory_pool.evicted",
        "aspnetcore.memory_pool.pooled",
        "aspnetcore.memory_pool.rented",
        "aspnetcore.routing.match_attempts",
        "db.client.operation.npgsql.bytes_read",
        "db.client.operation.npgsql.bytes_written",
        "db.client.operation.npgsql.executing",
        "http.client.active_requests",
        "http.client.open_connections",
        "http.client.request.time_in_queue",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>What becomes of an instrument.</summary>
    /// <param name="instrument">The instrument.</param>
    /// <returns>Null: it is measured as it is.</returns>
    public static MetricStreamConfiguration? View(Instrument instrument) =>
        Names.Contains(instrument.Name) ? MetricStreamConfiguration.Drop : null;
}
