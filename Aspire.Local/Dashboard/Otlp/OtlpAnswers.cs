using Aspire.Dashboard.Otlp.Wire;

namespace Aspire.Dashboard.Otlp;

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
