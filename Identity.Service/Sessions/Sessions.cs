using System.Globalization;
using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;
using OpenIddict.EntityFrameworkCore.Models;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>
/// Sessions: begun by a login, carried on by refresh tokens, and ended by whoever may. The authorization of OpenIddict
/// beside a session is changed by statements of our own: its calls answer "no" both when another request was faster and
/// when the database is away.
/// </summary>
internal sealed class Sessions(IdentityDb db, AuthOptions auth, TimeProvider clock)
{
    /// <summary>Begins a session of a user who is still the one whose password was right.</summary>
    /// <returns>Its id; null when the user was disabled, has left or has another password meanwhile.</returns>
    public async Task<string?> BeginAsync(User user, HttpContext http)
    {
        var (now, (address, client)) = (clock.GetUtcNow(), Of(http));
        // The lock on the user's row: whoever disables the user now ends this session, too.
        var begun = await db.Database.SqlQuery<long>($"""
            WITH living AS (
                SELECT id FROM users
                WHERE id = {user.Id} AND security_stamp IS NOT DISTINCT FROM {user.SecurityStamp}
                    AND disabled_at IS NULL AND leaving_at IS NULL
                FOR SHARE),
            begun AS (
                INSERT INTO authorizations (subject, status, type, creation_date, concurrency_token)
                SELECT id::text, {Statuses.Valid}, {AuthorizationTypes.AdHoc}, {now.UtcDateTime},
                    gen_random_uuid()::text
                FROM living RETURNING id)
            INSERT INTO sessions (id, user_id, created_at, refreshed_at, address, client)
            SELECT id, {user.Id}, {now}, {now}, {address}, {client} FROM begun RETURNING id AS "Value"
            """).ToListAsync();
        return begun is [var id] ? id.ToString(CultureInfo.InvariantCulture) : null;
    }

    /// <summary>Notes that a session gets new tokens.</summary>
    /// <returns>False when it has ended, or is as old as a session may be.</returns>
    public async Task<bool> CarryOnAsync(string? id, HttpContext http)
    {
        var (now, (address, client)) = (clock.GetUtcNow(), Of(http));
        return await One(id).Where(session => session.CreatedAt > now - auth.SessionLifetime).ExecuteUpdateAsync(
            set => set.SetProperty(session => session.RefreshedAt, now)
                .SetProperty(session => session.Address, address)
                .SetProperty(session => session.Client, client),
            http.RequestAborted) == 1;
    }

    /// <summary>A user's sessions that go on, the one that was used last first.</summary>
    public IQueryable<Session> Of(long userId)
    {
        var now = clock.GetUtcNow();
        return db.Sessions.AsNoTracking()
            .Where(session => session.UserId == userId && session.EndedAt == null
                && session.RefreshedAt > now - auth.RefreshTokenLifetime
                && session.CreatedAt > now - auth.SessionLifetime)
            .OrderByDescending(session => session.RefreshedAt).ThenByDescending(session => session.Id);
    }

    /// <summary>
    /// Ends a session: none of its refresh tokens works from now on, nor any that is being added, and no access token
    /// in a few seconds.
    /// </summary>
    /// <param name="id">Which one.</param>
    /// <param name="userId">Whose it has to be; null when that is known.</param>
    /// <returns>Whether it went on until now.</returns>
    public async Task<bool> EndAsync(string? id, long? userId = null) =>
        await EndAsync(One(id).Where(session => userId == null || session.UserId == userId)) == 1;

    /// <summary>Ends all sessions of a user.</summary>
    /// <returns>How many went on until now.</returns>
    public Task<int> EndAllAsync(long userId) =>
        EndAsync(db.Sessions.Where(session => session.UserId == userId && session.EndedAt == null));

    /// <summary>
    /// The sessions that have ended and may have access tokens that have not: the gateways refuse these.
    /// </summary>
    public Task<List<long>> EndedAsync(CancellationToken cancellationToken)
    {
        var since = clock.GetUtcNow() - auth.AccessTokenLifetime - Tokens.ClockSkew;
        return db.Sessions.Where(session => session.EndedAt > since && session.RefreshedAt > since)
            .OrderBy(session => session.Id).Select(session => session.Id).ToListAsync(cancellationToken);
    }

    /// <summary>
    /// Whether a token's session goes on and its user may do something: for what must not be done in the seconds until
    /// the gateways have heard of an end.
    /// </summary>
    public Task<bool> IsAliveAsync(ClaimsPrincipal caller, CancellationToken cancellationToken)
    {
        var (userId, id) = (caller.GetUserId(), caller.GetSessionId());
        return db.Sessions.AnyAsync(
            session => session.Id == id && session.EndedAt == null && db.Users.Any(user =>
                user.Id == userId && user.DisabledAt == null && user.LeavingAt == null),
            cancellationToken);
    }

    /// <summary>Forgets from where a user who has left was logged in.</summary>
    public Task ForgetAsync(long userId, CancellationToken cancellationToken) =>
        db.Sessions.Where(session => session.UserId == userId).ExecuteUpdateAsync(
            set => set.SetProperty(session => session.Address, (string?)null)
                .SetProperty(session => session.Client, (string?)null),
            cancellationToken);

    /// <summary>Removes those that nobody can use or ask for any more.</summary>
    public Task PruneAsync(CancellationToken cancellationToken)
    {
        var unused = clock.GetUtcNow() - auth.RefreshTokenLifetime - auth.AccessTokenLifetime - Tokens.ClockSkew;
        return db.Sessions.Where(session => session.RefreshedAt < unused).ExecuteDeleteAsync(cancellationToken);
    }

    /// <summary>Marks a refresh token as used.</summary>
    /// <returns>False when it was used or revoked before.</returns>
    public async Task<bool> RedeemAsync(string tokenId, CancellationToken cancellationToken)
    {
        var key = long.Parse(tokenId, NumberStyles.None, CultureInfo.InvariantCulture);
        var now = clock.GetUtcNow().UtcDateTime;
        return await db.Set<OpenIddictEntityFrameworkCoreToken<long>>()
            .Where(token => token.Id == key && token.Status == Statuses.Valid)
            .ExecuteUpdateAsync(
                set => set.SetProperty(token => token.Status, Statuses.Redeemed)
                    .SetProperty(token => token.RedemptionDate, now)
                    .SetProperty(token => token.ConcurrencyToken, Guid.NewGuid().ToString()),
                cancellationToken) == 1;
    }

    private IQueryable<Session> One(string? id) =>
        long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var key)
            ? db.Sessions.Where(session => session.Id == key && session.EndedAt == null)
            : db.Sessions.Where(session => false);

    /// <summary>
    /// Not to be escaped by leaving. The authorization is ended by an update of its own right after: until then a
    /// refresh is refused by the session.
    /// </summary>
    private async Task<int> EndAsync(IQueryable<Session> sessions)
    {
        var ids = await sessions.Select(session => session.Id).ToListAsync();
        var now = clock.GetUtcNow();
        var ended = await db.Sessions.Where(session => ids.Contains(session.Id) && session.EndedAt == null)
            .ExecuteUpdateAsync(set => set.SetProperty(session => session.EndedAt, now));
        await db.Set<OpenIddictEntityFrameworkCoreAuthorization<long>>()
            .Where(authorization => ids.Contains(authorization.Id) && authorization.Status == Statuses.Valid)
            .ExecuteUpdateAsync(
                set => set.SetProperty(authorization => authorization.Status, Statuses.Revoked)
                    .SetProperty(authorization => authorization.ConcurrencyToken, Guid.NewGuid().ToString()));
        return ended;
    }

    private static (string? Address, string? Client) Of(HttpContext http)
    {
        var agent = http.Request.Headers[HeaderNames.UserAgent].ToString().Replace('\0', ' ');
        agent = agent[..Math.Min(agent.Length, Session.MaxClientLength)];
        agent = agent.Length > 0 && char.IsHighSurrogate(agent[^1]) ? agent[..^1] : agent; // Half of a character.
        return (http.Connection.RemoteIpAddress?.ToString(), agent.Length == 0 ? null : agent);
    }
}
