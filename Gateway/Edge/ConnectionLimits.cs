using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

/// <summary>The section <c>Connections</c> of the configuration: how many, and how slow they may be.</summary>
internal sealed class ConnectionSettings
{
    /// <summary>
    /// How many may be open at once on each address that is listened on. Beyond, new ones are closed without an answer.
    /// </summary>
    [Range(1, 1_000_000)]
    public int Max { get; init; } = 10_000;

    /// <summary>How long one may stay open with no request on it.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(130);

    /// <summary>How long a client may take to send the headers of a request.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan HeadersTime { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How slowly a client may send a body, or read an answer that waits for it, in bytes a second.</summary>
    [Range(1, 1_000_000)]
    public int MinRate { get; init; } = 240;

    /// <summary>How long a client may be slower than that at first.</summary>
    [Range(typeof(TimeSpan), "00:00:01.1", "00:05:00")]
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a body may take to come, on all routes, however steadily it comes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan BodyTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a request may take on routes that do not name another <c>TimeoutPolicy</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan RequestTime { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Holds connections to their limits.</summary>
internal static class ConnectionLimits
{
    /// <summary>
    /// How much of headers Kestrel reads, in bytes: more than <see cref="RequestGuard"/> lets pass, since Kestrel's own
    /// refusals have no body.
    /// </summary>
    private const int ReadHeadersBytes = 128 * 1024;

    private const int ReadHeaders = 1_000;
    private const int ReadRequestLineBytes = 64 * 1024;

    /// <summary>How many requests may be under way at once on one connection by HTTP/2.</summary>
    private const int MaxStreams = 100;

    /// <summary>Lines end in CR LF and nothing else: a server before this one may see two lines as one.</summary>
    private const string StrictLineEnds = "Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators";

    /// <summary>Adds the limits. Bad ones stop the start.</summary>
    public static void AddConnectionLimits(this IHostApplicationBuilder builder)
    {
        AppContext.SetSwitch(StrictLineEnds, true);
        builder.AddSettings<ConnectionSettings>("Connections");
        builder.Services.AddOptions<KestrelServerOptions>().Configure<IOptions<ConnectionSettings>>(
            (kestrel, settings) => Limit(kestrel.Limits, settings.Value));
        builder.Services.AddRequestTimeouts();
        builder.Services.AddOptions<RequestTimeoutOptions>().Configure<IOptions<ConnectionSettings>>(
            (timeouts, settings) => timeouts.DefaultPolicy = new()
            {
                Timeout = settings.Value.RequestTime,
                WriteTimeoutResponse = context =>
                {
                    context.Response.Headers.RetryAfter = "1";
                    return Task.CompletedTask;
                },
            });
    }

    /// <summary>
    /// Answers 408 when a client takes too long to send a body, and 504 when a request takes longer than its route
    /// allows. Goes after UseProblems, which says so.
    /// </summary>
    public static void UseRequestTimes(this WebApplication app)
    {
        var bodyTime = app.Services.GetRequiredService<IOptions<ConnectionSettings>>().Value.BodyTime;
        var clock = app.Services.GetRequiredService<TimeProvider>();
        app.UseRequestTimeouts();
        app.Use(async (context, next) =>
        {
            await context.TimeBodyAsync(bodyTime, clock, next);
            // The proxy does not know this end from that of a client who has left, and calls it 400.
            if (context.GetForwarderErrorFeature() is not null && !context.Response.HasStarted)
            {
                context.Features.Get<IHttpRequestTimeoutFeature>()?.RequestTimeoutToken.ThrowIfCancellationRequested();
            }
        });
    }

    private static void Limit(KestrelServerLimits limits, ConnectionSettings settings)
    {
        limits.MaxConcurrentConnections = settings.Max;
        limits.MaxConcurrentUpgradedConnections = 0; // There are no WebSockets here.
        limits.KeepAliveTimeout = settings.KeepAlive;
        limits.RequestHeadersTimeout = settings.HeadersTime;
        // An answer that has nothing to say for a while, such as a stream of events, is not slow: only a client that
        // does not take what was written is.
        limits.MinRequestBodyDataRate = limits.MinResponseDataRate = new(settings.MinRate, settings.Grace);
        limits.MaxRequestHeadersTotalSize = ReadHeadersBytes;
        limits.MaxRequestHeaderCount = ReadHeaders;
        limits.MaxRequestLineSize = ReadRequestLineBytes;
        limits.Http2.MaxRequestHeaderFieldSize = limits.Http3.MaxRequestHeaderFieldSize = ReadHeadersBytes;
        limits.Http2.MaxStreamsPerConnection = MaxStreams;
    }
}
