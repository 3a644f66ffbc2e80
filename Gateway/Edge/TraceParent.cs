using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Context.Propagation;

namespace Gateway.Edge;

/// <summary>
/// Goes on with the trace that a caller names in <c>traceparent</c>, and with nothing else of a caller's. Whether it is
/// recorded is for the gateway to say, as for all others: what a caller wants recorded costs the services.
/// <c>tracestate</c> and <c>baggage</c> would reach all of them.
/// https://www.w3.org/TR/trace-context/#privacy-considerations
/// </summary>
internal sealed class TraceParent : DistributedContextPropagator
{
    private const string Header = "traceparent";

    /// <inheritdoc/>
    public override IReadOnlyCollection<string> Fields => [Header];

    /// <inheritdoc/>
    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
        if (activity is { IdFormat: ActivityIdFormat.W3C, Id: { } id })
        {
            setter?.Invoke(carrier, Header, id);
        }
    }

    /// <inheritdoc/>
    public override void ExtractTraceIdAndState(
        object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState)
    {
        string? sent = null;
        getter?.Invoke(carrier, Header, out sent, out _);
        traceId = ActivityContext.TryParse(sent, traceState: null, out var parent)
            ? $"00-{parent.TraceId}-{parent.SpanId}-00"
            : null;
        traceState = null;
    }

    /// <inheritdoc/>
    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(
        object? carrier, PropagatorGetterCallback? getter) => null;
}

/// <summary>Registers it.</summary>
internal static class TraceParentExtensions
{
    /// <summary>Takes from callers, and gives to services, no more of a trace than its ids.</summary>
    public static void AddTraceParent(this IHostApplicationBuilder builder)
    {
        var propagator = new TraceParent();
        DistributedContextPropagator.Current = propagator; // Of what the proxy and HTTP clients send.
        builder.Services.AddSingleton<DistributedContextPropagator>(propagator); // Of what the server reads.
        Sdk.SetDefaultTextMapPropagator(new TraceContextPropagator()); // Leaves it to those two.
    }
}
