using System.Diagnostics;
using OpenTelemetry;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Leaves out of what is sent the queries that are part of no request: replicas look into their databases every few
/// seconds, and would fill every list of traces with that.
/// </summary>
internal sealed class BackgroundQueries : BaseProcessor<Activity>
{
    /// <inheritdoc/>
    public override void OnStart(Activity data)
    {
        if (data.Source.Name is "Npgsql" or "OpenTelemetry.Instrumentation.StackExchangeRedis"
            && data.ParentSpanId == default)
        {
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }
    }
}
