using Aspire.Dashboard.Access;
using Aspire.Dashboard.Otlp;
using Aspire.Dashboard.Resources;
using Aspire.Dashboard.Telemetry;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Aspire.Dashboard.Api;

/// <summary>
/// The same data for tests and scripts, as JSON. For those with the token: <c>Authorization: Bearer …</c>.
/// </summary>
internal static class TelemetryApi
{
    private const int DefaultLimit = 100;
    private const int MaxLimit = 1_000;

    public static void MapTelemetryApi(this WebApplication app)
    {
        var api = app.MapGroup("/api/telemetry").RequireAuthorization(AccessPolicies.Api);
        api.MapGet("/resources", Resources);
        api.MapGet("/traces", Traces);
        api.MapGet("/traces/{traceId}", OneTrace);
        api.MapGet("/spans", Spans);
        api.MapGet("/logs", Logs);
        api.MapGet("/instruments", Instruments);
        api.MapGet("/metrics", Metrics);
    }

    private static Ok<IEnumerable<ResourceAnswer>> Resources(ResourceStore resources, Intake intake)
    {
        var known = resources.Resources();
        var senders = intake.Sources.ToLookup(source => source.Instance);
        return TypedResults.Ok(known
            .Select(r => new ResourceAnswer(
                r.Resource, r.Id, r.Kind, r.State, r.Health, r.Started, r.Pid, r.ExitCode,
                [.. r.Urls.Select(url => url.Url)], senders.Contains(r.Id)))
            // Those who send without being the AppHost's.
            .Concat(senders.Where(sender => known.All(r => r.Id != sender.Key)).SelectMany(sender => sender)
                .Select(s => new ResourceAnswer(
                    s.Service, s.Instance, null, null, null, null, null, null, [], HasTelemetry: true))));
    }

    private static Ok<Page<TraceAnswer>> Traces(
        TraceStore traces, string? resource, string? text, double? minMs, bool? hasError, int? limit)
    {
        var filter = new TraceFilter
        {
            Resource = resource,
            Text = text,
            MinDuration = TimeSpan.FromMilliseconds(minMs is > 0 ? Math.Min(minMs.Value, int.MaxValue) : 0), // Not NaN.
            OnlyErrors = hasError == true,
        };
        var (found, total) = traces.Find(filter, Limit(limit));
        return TypedResults.Ok(new Page<TraceAnswer>([.. found.Select(trace => TraceAnswer.Of(trace))], total));
    }

    private static Results<Ok<TraceAnswer>, ProblemHttpResult> OneTrace(TraceStore traces, string traceId) =>
        traces.Find(traceId) is { } trace
            ? TypedResults.Ok(TraceAnswer.Of(trace, withSpans: true))
            : TypedResults.Problem(
                "No such trace is kept: it did not come here, or was too long ago.",
                statusCode: StatusCodes.Status404NotFound);

    private static Ok<Page<SpanAnswer>> Spans(
        TraceStore traces, string? resource, string? traceId, bool? hasError, int? limit)
    {
        var found = (traceId is null ? traces.Spans() : traces.Find(traceId)?.Spans ?? [])
            .Where(span => (resource is null || span.Source.Service == resource || span.Source.Instance == resource)
                && (hasError is null || span.IsError == hasError))
            .OrderByDescending(span => span.Start).ToList();
        return TypedResults.Ok(new Page<SpanAnswer>(
            [.. found.Take(Limit(limit)).Select(SpanAnswer.Of)], found.Count));
    }

    private static Results<Ok<Page<LogAnswer>>, ProblemHttpResult> Logs(
        LogStore logs, string? resource, string? level, string? text, string? traceId, string? spanId, int? limit)
    {
        if (!Enum.TryParse<LogLevel>(level ?? nameof(LogLevel.Trace), ignoreCase: true, out var minLevel))
        {
            return TypedResults.Problem(
                $"There is no level '{level}': use trace, debug, information, warning, error or critical.",
                statusCode: StatusCodes.Status400BadRequest);
        }

        var filter = new LogFilter
        {
            Resource = resource, MinLevel = minLevel, Text = text, TraceId = traceId, SpanId = spanId,
        };
        var (found, total) = logs.Find(filter, Limit(limit));
        return TypedResults.Ok(new Page<LogAnswer>([.. found.Select(LogAnswer.Of)], total));
    }

    private static Ok<IEnumerable<InstrumentAnswer>> Instruments(MetricStore metrics, string? resource) =>
        TypedResults.Ok(metrics.Instruments(resource).Select(InstrumentAnswer.Of));

    private static Results<Ok<IEnumerable<SeriesAnswer>>, ProblemHttpResult> Metrics(
        MetricStore metrics, string? resource, string? meter, string? name)
    {
        if (name is null)
        {
            return TypedResults.Problem(
                "Of which instrument? Its 'name' is missing; /api/telemetry/instruments has those there are.",
                statusCode: StatusCodes.Status400BadRequest);
        }

        return metrics.Find(resource, meter, name, since: DateTime.MaxValue) is { } data
            ? TypedResults.Ok(data.Series.Where(series => series.Points.Count > 0).Select(SeriesAnswer.Of))
            : TypedResults.Problem(
                $"No instrument '{name}' has been heard of.", statusCode: StatusCodes.Status404NotFound);
    }

    private static int Limit(int? limit) => Math.Clamp(limit ?? DefaultLimit, 1, MaxLimit);
}
