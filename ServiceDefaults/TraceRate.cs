using OpenTelemetry.Trace;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Records all traces that begin here while there are few, and so many a second when there are more: nobody reads
/// hundreds, and each costs its services a tenth of the work. What another service records or not is followed.
/// </summary>
/// <param name="perSecond">How many a second; as many at once when it was quiet before.</param>
/// <param name="time">The clock.</param>
internal sealed class TraceRate(int perSecond, TimeProvider time) : Sampler
{
    /// <summary>The configuration's key of the number.</summary>
    public const string Key = "Telemetry:TracesPerSecond";

    /// <summary>The number where none is configured.</summary>
    public const int Default = 20;

    private readonly long _cost = time.TimestampFrequency / perSecond;

    // The moment from which on the next trace is within the rate. It lags a second behind at most.
    private long _next = time.GetTimestamp() - time.TimestampFrequency;

    /// <inheritdoc/>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        while (true)
        {
            var now = time.GetTimestamp();
            var next = Volatile.Read(ref _next);
            var from = Math.Max(next, now - time.TimestampFrequency);
            if (from > now)
            {
                return new SamplingResult(SamplingDecision.Drop);
            }

            if (Interlocked.CompareExchange(ref _next, from + _cost, next) == next)
            {
                return new SamplingResult(SamplingDecision.RecordAndSample);
            }
        }
    }
}
