using Aspire.Dashboard.Otlp.Wire;
using Grpc.Core;

namespace Aspire.Dashboard.Otlp;

/// <summary>Traces by OTLP/gRPC.</summary>
internal sealed class OtlpTraces(Intake intake) : TraceService.TraceServiceBase
{
    public override Task<ExportTraceServiceResponse> Export(
        ExportTraceServiceRequest request, ServerCallContext context) =>
        Task.FromResult(OtlpAnswers.Traces(intake.Add(request)));
}

/// <summary>Logs by OTLP/gRPC.</summary>
internal sealed class OtlpLogs(Intake intake) : LogsService.LogsServiceBase
{
    public override Task<ExportLogsServiceResponse> Export(
        ExportLogsServiceRequest request, ServerCallContext context) =>
        Task.FromResult(OtlpAnswers.Logs(intake.Add(request)));
}

/// <summary>Metrics by OTLP/gRPC.</summary>
internal sealed class OtlpMetrics(Intake intake) : MetricsService.MetricsServiceBase
{
    public override Task<ExportMetricsServiceResponse> Export(
        ExportMetricsServiceRequest request, ServerCallContext context) =>
        Task.FromResult(OtlpAnswers.Metrics(intake.Add(request)));
}

/// <summary>Answers, which say what was refused (OTLP, partial success). A sender does not send that again.</summary>
internal static class OtlpAnswers
{
    private const string Reason = "too large, not readable, or more than the dashboard keeps";

    public static ExportTraceServiceResponse Traces(int refused) => new()
    {
        PartialSuccess = refused == 0 ? null : new() { RejectedSpans = refused, ErrorMessage = Reason },
    };

    public static ExportLogsServiceResponse Logs(int refused) => new()
    {
        PartialSuccess = refused == 0 ? null : new() { RejectedLogRecords = refused, ErrorMessage = Reason },
    };

    public static ExportMetricsServiceResponse Metrics(int refused) => new()
    {
        PartialSuccess = refused == 0 ? null : new() { RejectedDataPoints = refused, ErrorMessage = Reason },
    };
}
