namespace Dashboard.Tests;

/// <summary>The services of OTLP, as gRPC names them.</summary>
internal static class OtlpService
{
    public const string Traces = "trace.v1.TraceService";
    public const string Logs = "logs.v1.LogsService";
    public const string Metrics = "metrics.v1.MetricsService";

    /// <summary>The last part of a service's path by OTLP/HTTP.</summary>
    public static string Path(string service) => service switch
    {
        Traces => "traces",
        Logs => "logs",
        Metrics => "metrics",
        _ => throw new ArgumentOutOfRangeException(nameof(service)),
    };
}
