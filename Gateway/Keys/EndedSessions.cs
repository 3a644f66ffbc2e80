using System.Collections.Frozen;
using System.Globalization;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Gateway.Keys;

/// <summary>
/// The sessions that were ended not long ago. Their access tokens are good by themselves for up to an hour more: here
/// they are refused within a few seconds. Identity.Service is asked again and again; while it is away, the last list
/// counts.
/// </summary>
/// <param name="clients">The way to Identity.Service, under the name <see cref="ClientName"/>.</param>
/// <param name="clock">Says when to ask again.</param>
/// <param name="logger">Says that nobody answers.</param>
internal sealed class EndedSessions(IHttpClientFactory clients, TimeProvider clock, ILogger<EndedSessions> logger)
    : PeriodicService(TimeSpan.FromSeconds(2), clock, logger, atOnce: true), IHealthCheck
{
    /// <summary>The HTTP client that asks.</summary>
    public const string ClientName = "sessions";

    private volatile FrozenSet<string>? _ended;

    /// <summary>Whether the session of an access token has ended. Those of API keys have none.</summary>
    /// <param name="id">What the token says.</param>
    public bool Contains(string id) => _ended?.Contains(id) is true;

    /// <summary>A gateway that has no list would let all of them through.</summary>
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(_ended is null
            ? HealthCheckResult.Unhealthy("The sessions that have ended are not known yet.")
            : HealthCheckResult.Healthy());

    /// <inheritdoc/>
    protected override async Task WorkAsync(CancellationToken stoppingToken)
    {
        var list = await clients.CreateClient(ClientName).GetFromJsonAsync<List>("sessions/ended", stoppingToken);
        _ended = list!.Sessions.Select(id => id.ToString(CultureInfo.InvariantCulture))
            .ToFrozenSet(StringComparer.Ordinal);
    }

    private sealed record List(long[] Sessions);
}

/// <summary>Refuses the access tokens of sessions that have ended.</summary>
internal static class EndedSessionsExtensions
{
    /// <summary>Adds the list. A missing <c>Identity:ClientSecret</c> stops the gateway at start.</summary>
    public static void AddEndedSessions(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHttpClient(EndedSessions.ClientName, http => http.BaseAddress = new("http://identity"))
            .AddClientCredentials("Identity", clientId: "gateway", Tokens.SessionsScope);
        builder.Services.AddSingleton<EndedSessions>();
        builder.Services.AddHostedService(services => services.GetRequiredService<EndedSessions>());
        builder.Services.AddHealthChecks().AddCheck<EndedSessions>("ended sessions");
    }

    /// <summary>Answers 401 where a token is needed. Goes after authentication.</summary>
    public static void UseEndedSessions(this WebApplication app)
    {
        var ended = app.Services.GetRequiredService<EndedSessions>();
        app.Use(async (context, next) =>
        {
            if (context.User.FindFirst(Tokens.SessionClaim)?.Value is not { } session || !ended.Contains(session)
                || context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is null)
            {
                await next(context);
                return;
            }

            context.Response.Headers.WWWAuthenticate = "Bearer error=\"invalid_token\""; // RFC 6750, 3
            await Problems.Refusal(
                StatusCodes.Status401Unauthorized, "session_ended",
                "The session of this access token has ended. Log in again.").ExecuteAsync(context);
        });
    }
}
