using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>What users do with their sessions. Not with an API key, which has none.</summary>
internal static class SessionApi
{
    /// <summary>Maps <c>/api/sessions</c>, and what gateways ask.</summary>
    public static void MapSessions(this IEndpointRouteBuilder routes)
    {
        var sessions = routes.MapGroup("/api/sessions").WithTags("Account").RequireAuthorization(Tokens.LoginPolicy);
        sessions.MapGet("/", List).WithSummary("List sessions");
        sessions.MapDelete("/", EndAll).WithSummary("End all sessions");
        sessions.MapDelete("/{id:long}", End).WithSummary("End a session");
        routes.MapGet("/sessions/ended", Ended).ExcludeFromDescription().RequireAuthorization(Tokens.SessionsPolicy);
    }

    /// <summary>The caller's sessions, the one that was used last first.</summary>
    internal static async Task<Ok<List<SessionResponse>>> List(
        ClaimsPrincipal caller, Sessions sessions, CancellationToken cancellationToken)
    {
        var current = caller.GetSessionId();
        var all = await sessions.Of(caller.GetUserId()).ToListAsync(cancellationToken);
        return TypedResults.Ok(all.ConvertAll(session => SessionResponse.Of(session, current)));
    }

    /// <summary>Ends one of the caller's sessions. Its tokens are refused within 5 seconds.</summary>
    internal static async Task<Results<NoContent, NotFound>> End(
        long id, ClaimsPrincipal caller, Sessions sessions, SecurityLog log)
    {
        var userId = caller.GetUserId();
        if (!await sessions.EndAsync($"{id}", userId))
        {
            return TypedResults.NotFound();
        }

        log.LoggedOut($"{userId}", $"{id}");
        return TypedResults.NoContent();
    }

    /// <summary>Ends all of the caller's sessions, this one too. Their tokens are refused within 5 seconds.</summary>
    /// <remarks>API keys live on.</remarks>
    internal static async Task<NoContent> EndAll(ClaimsPrincipal caller, Sessions sessions, AuditLog audit)
    {
        var userId = caller.GetUserId();
        await audit.WithAsync("sessions_ended", userId, async () => await sessions.EndAllAsync(userId) > 0);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<EndedSessions>> Ended(Sessions sessions, CancellationToken cancellationToken) =>
        TypedResults.Ok(new EndedSessions(await sessions.EndedAsync(cancellationToken)));
}

/// <summary>A session, as lists show it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Created">When the user logged in, in UTC.</param>
/// <param name="Refreshed">When it last got tokens, in UTC.</param>
/// <param name="Address">The address that got them.</param>
/// <param name="Client">What the client called itself.</param>
/// <param name="Current">Whether it is the one of the access token that asks.</param>
/// <example>
/// {"id":7,"created":"2025-01-06T12:34:56.789Z","refreshed":"2025-01-06T13:34:56.789Z","address":"203.0.113.7",
/// "client":"Mozilla/5.0","current":true}
/// </example>
internal sealed record SessionResponse(
    long Id, DateTime Created, DateTime Refreshed, string? Address, string? Client, bool Current)
{
    /// <summary>What is shown of a session.</summary>
    public static SessionResponse Of(Session session, long? current) => new(
        session.Id, session.CreatedAt.UtcDateTime, session.RefreshedAt.UtcDateTime, session.Address, session.Client,
        session.Id == current);
}

/// <summary>The answer to a gateway.</summary>
/// <param name="Sessions">The sessions whose access tokens are to be refused.</param>
internal sealed record EndedSessions(List<long> Sessions);
