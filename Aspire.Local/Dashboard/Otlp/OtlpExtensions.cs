using Aspire.Dashboard.Access;
using Aspire.Dashboard.Telemetry;
using Grpc.AspNetCore.Server.Model;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;

namespace Aspire.Dashboard.Otlp;

/// <summary>Receives OpenTelemetry: OTLP/gRPC and OTLP/HTTP.</summary>
internal static class OtlpExtensions
{
    private const string Policy = "otlp";

    /// <summary>Adds the stores and what fills them.</summary>
    public static void AddOtlp(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<TraceStore>();
        builder.Services.AddSingleton<LogStore>();
        builder.Services.AddSingleton<MetricStore>();
        builder.Services.AddSingleton<Intake>();
        builder.Services.AddSingleton<IServiceMethodProvider<Intake>, OtlpGrpc>();
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = Limits.RequestBytes;
            grpc.CompressionProviders = [new BoundedGzip()];
        });
        builder.Services.AddRequestDecompression();
        builder.Services.AddRateLimiter(limiter => limiter.AddConcurrencyLimiter(Policy, options =>
        {
            options.PermitLimit = Limits.RequestsAtOnce;
            options.QueueLimit = Limits.RequestsWaiting;
            limiter.RejectionStatusCode = StatusCodes.Status503ServiceUnavailable; // To be sent again.
        }));
    }

    /// <summary>Maps both protocols, each at its own address only, for those who have the key.</summary>
    public static void MapOtlp(this WebApplication app)
    {
        // gRPC has a limit of its own, by which it answers as its clients understand.
        var grpc = app.MapGroup("").WithMetadata(DashboardAddress.OtlpGrpc, new DisableRequestSizeLimitAttribute())
            .AddOtlpRules();
        grpc.MapGrpcService<Intake>();
        app.MapGroup("").WithMetadata(DashboardAddress.OtlpHttp).AddOtlpRules().MapOtlpHttp();
    }

    private static RouteGroupBuilder AddOtlpRules(this RouteGroupBuilder group) =>
        group.RequireAuthorization(AccessPolicies.Otlp).RequireRateLimiting(Policy).DisableAntiforgery();
}
