using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// What every service has in common, after Aspire's service-defaults template: OpenTelemetry, health checks,
/// service discovery, HTTP resilience, and here also problem+json errors and limits.
/// </summary>
public static class Extensions
{
    private const string HealthPath = "/health";
    private const string AlivePath = "/alive";

    /// <summary>
    /// The largest request body a service reads, in bytes. A chat message has its own, smaller limit.
    /// </summary>
    public const int MaxRequestBodyBytes = 256 * 1024;

    /// <summary>
    /// How long one health check may take. An EF check of a dead server would otherwise hang for 20 s.
    /// </summary>
    private static readonly TimeSpan HealthCheckTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Adds the defaults to a service.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="isEdge">Whether callers come from outside.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder, bool isEdge = false)
        where TBuilder : IHostApplicationBuilder
    {
        builder.ConfigureOpenTelemetry(isEdge);
        builder.AddDefaultHealthChecks();
        builder.Services.AddProblems();
        // An amount is a number, not a text that looks like one.
        builder.Services.ConfigureHttpJsonOptions(options =>
            options.SerializerOptions.NumberHandling = JsonNumberHandling.Strict);
        builder.Services.AddServiceDiscovery();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Replicas>();
        builder.Services.ConfigureHttpClientDefaults(http =>
        {
            // A repeated POST could do something twice; calls that may be repeated are PUTs, or say so themselves.
            // Callers are waiting, and services are near each other: try again soon, and give up soon.
            http.AddStandardResilienceHandler(options =>
            {
                options.Retry.DisableFor(HttpMethod.Post, HttpMethod.Patch);
                options.Retry.MaxRetryAttempts = 2;
                options.Retry.Delay = TimeSpan.FromMilliseconds(100);
                options.AttemptTimeout.Timeout = TimeSpan.FromSeconds(3);
                options.TotalRequestTimeout.Timeout = TimeSpan.FromSeconds(8);
                // Open the circuit only when nearly all calls fail: one dead replica is no reason.
                options.CircuitBreaker.FailureRatio = 0.9;
            });
            http.AddReplicas();
        });
        builder.Services.Configure<KestrelServerOptions>(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = MaxRequestBodyBytes;
            // More than the gateway lets pass (8 KiB and 32 KiB), which escapes a target anew and adds headers.
            options.Limits.MaxRequestLineSize = 32 * 1024;
            options.Limits.MaxRequestHeadersTotalSize = 64 * 1024;
        });
        // Shorter than the time the AppHost or an orchestrator gives a process before it kills it.
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(5));
        return builder;
    }

    /// <summary>Logs, metrics and traces; sent by OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="isEdge">Whether callers come from outside.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder ConfigureOpenTelemetry<TBuilder>(this TBuilder builder, bool isEdge = false)
        where TBuilder : IHostApplicationBuilder
    {
        // EF logs a failed command and throws it; whoever catches it says what matters. On an empty database and in
        // lost races failures are expected.
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Database.Command", LogLevel.Critical);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore.Update", LogLevel.Critical);
        // It logs each statement at Information, a dozen lines for a chat. Traces show the same.
        builder.Logging.AddFilter("Npgsql", LogLevel.Warning);
        // Two lines for each call of a neighbour that went well; what went wrong stays.
        builder.Logging.AddFilter("Polly", LogLevel.Warning);
        // Each attempt that failed, and each check while a neighbour is not up yet, with a stack trace: to those who
        // look for it, and not onto the console.
        builder.Logging.AddFilter<ConsoleLoggerProvider>("Polly", LogLevel.None);
        builder.Logging.AddFilter<ConsoleLoggerProvider>(
            "Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Logging.AddConsole(console => console.FormatterName = TracedConsoleFormatter.FormatterName)
            .AddConsoleFormatter<TracedConsoleFormatter, ConsoleFormatterOptions>();
        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });

        var tracesPerSecond = Math.Clamp(
            builder.Configuration.GetValue(TraceRate.Key, TraceRate.Default), 1, 1_000_000);
        var rate = new TraceRate(tracesPerSecond, TimeProvider.System);
        var measuresAll = builder.Configuration.GetValue<bool>(SparedInstruments.Key);
        var telemetry = builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddMeter(builder.Environment.ApplicationName)
                .AddRuntimeInstrumentation()
                .AddView(measuresAll ? _ => null : SparedInstruments.View))
            .WithTracing(tracing => tracing
                // A caller's trace that is not recorded elsewhere comes to the gateway like a new one.
                .SetSampler(new ParentBasedSampler(rate, remoteParentNotSampled: isEdge ? rate : null))
                .AddSource(builder.Environment.ApplicationName)
                .AddProcessor(new BackgroundQueries())
                // Don't trace health probes, incoming or outgoing.
                .AddAspNetCoreInstrumentation(options => options.Filter = context =>
                    !context.Request.Path.StartsWithSegments(HealthPath)
                    && !context.Request.Path.StartsWithSegments(AlivePath))
                .AddHttpClientInstrumentation(options => options.FilterHttpRequestMessage = request =>
                    request.RequestUri?.AbsolutePath is not (HealthPath or AlivePath)));

        if (!string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            // A back end that is gone holds up the end of a service by as much, for traces, metrics and logs in turn.
            builder.Configuration["OTEL_EXPORTER_OTLP_TIMEOUT"] ??= "1000";
            telemetry.UseOtlpExporter();
        }

        return builder;
    }

    /// <summary>Adds a liveness check, and a time limit to every check that has none.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddDefaultHealthChecks<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddHealthChecks().AddCheck<StoppingCheck>("self", tags: ["live"]);
        builder.Services.PostConfigure<HealthCheckServiceOptions>(options =>
        {
            foreach (var registration in options.Registrations.Where(r => r.Timeout <= TimeSpan.Zero))
            {
                registration.Timeout = HealthCheckTimeout;
            }
        });
        return builder;
    }

    /// <summary>
    /// Maps <c>/health</c> (ready: every check passes) and <c>/alive</c> (the process answers, and goes on). They say
    /// one word each, so unlike Aspire's template they are mapped in production too.
    /// </summary>
    /// <param name="app">The service.</param>
    /// <returns>The same service.</returns>
    public static WebApplication MapDefaultEndpoints(this WebApplication app)
    {
        app.MapHealthChecks(HealthPath);
        app.MapHealthChecks(AlivePath, new HealthCheckOptions { Predicate = check => check.Tags.Contains("live") });
        return app;
    }
}
