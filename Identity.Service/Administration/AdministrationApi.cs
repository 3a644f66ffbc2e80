using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>What administrators do with users. What they do with accounts is Ledger.Service's.</summary>
internal static class AdministrationApi
{
    private const int MaxPage = 1000;

    /// <summary>Maps <c>/api/admin</c>.</summary>
    public static void MapAdministration(this IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/api/admin").WithTags("Administration").RequireAuthorization(Tokens.AdminPolicy)
            .AddEndpointFilter(async (context, next) => await context.HttpContext.RequestServices
                .GetRequiredService<Sessions>()
                .IsAliveAsync(context.HttpContext.User, context.HttpContext.RequestAborted)
                    ? await next(context)
                    : AccountApi.Gone());
        admin.MapGet("/users", ListUsers).WithSummary("List users");
        admin.MapGet("/users/{id:long}", FindUser).WithSummary("Find a user");
        admin.MapPatch("/users/{id:long}", ChangeUser).WithSummary("Disable or enable a user")
            .Refuses(OwnAccount());
        admin.MapGet("/users/{id:long}/sessions", ListSessions).WithSummary("List a user's sessions");
        admin.MapDelete("/users/{id:long}/sessions", EndSessions).WithSummary("End all sessions of a user");
        admin.MapDelete("/users/{id:long}/sessions/{session:long}", EndSession)
            .WithSummary("End a session of a user");
        admin.MapGet("/audit", ListAudit).WithSummary("Read the audit log");
        admin.MapInvitations();
        routes.MapPost("/audit", AddAuditAsync).ExcludeFromDescription().RequireAuthorization(Tokens.UsersPolicy);
    }

    /// <summary>Users in the order of their numbers, a page at a time: the header Link names the next one.</summary>
    /// <param name="users">The users.</param>
    /// <param name="db">Where they are.</param>
    /// <param name="response">Gets the link.</param>
    /// <param name="search">A part of the name, in whatever case.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="after">The number of the last user of the page before.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Ok<List<UserResponse>>> ListUsers(
        UserManager<User> users,
        IdentityDb db,
        HttpResponse response,
        [MaxLength(User.MaxNameLength, ErrorMessage = "search must be at most 150 characters.")] string? search = null,
        [Range(1, MaxPage, ErrorMessage = "limit must be 1 to 1000.")] int limit = 100,
        [Range(0, long.MaxValue, ErrorMessage = "after must be a user's number.")] long after = 0,
        CancellationToken cancellationToken = default)
    {
        var found = db.Users.Where(user => user.Id > after && user.LeavingAt == null);
        if (!string.IsNullOrEmpty(search))
        {
            // Names are ASCII: text that cannot be part of one finds nobody.
            var part = User.IsName(search) ? users.NormalizeName(search) : "\n";
            found = found.Where(user => user.NormalizedUserName!.Contains(part!));
        }

        var page = await ReadAsync(db, found.OrderBy(user => user.Id).Take(limit + 1), cancellationToken);
        if (page.Count > limit)
        {
            page.RemoveAt(limit);
            var more = search is null ? "" : $"search={Uri.EscapeDataString(search)}&";
            response.Headers.Link = $"</api/admin/users?{more}limit={limit}&after={page[^1].Id}>; rel=\"next\"";
        }

        return TypedResults.Ok(page);
    }

    /// <summary>A user.</summary>
    internal static async Task<Results<Ok<UserResponse>, NotFound>> FindUser(
        long id, IdentityDb db, CancellationToken cancellationToken)
    {
        var one = db.Users.Where(user => user.Id == id && user.LeavingAt == null);
        return await ReadAsync(db, one, cancellationToken) is [var user]
            ? TypedResults.Ok(user)
            : TypedResults.NotFound();
    }

    /// <summary>Disables or enables a user, or makes the password expire. What is not there stays as it is.</summary>
    /// <remarks>
    /// Tokens of one who is disabled are refused within 5 seconds, and API keys as long as that lasts. With an expired
    /// password sessions end, and a login needs a new password first.
    /// </remarks>
    internal static async Task<Results<Ok<UserResponse>, NotFound, ProblemHttpResult>> ChangeUser(
        long id,
        ChangeUserRequest request,
        ClaimsPrincipal caller,
        IdentityDb db,
        Sessions sessions,
        AuditLog audit,
        TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (id == caller.GetUserId())
        {
            return OwnAccount();
        }

        var user = db.Users.Where(user => user.Id == id && user.LeavingAt == null);
        if (request.Disabled is true)
        {
            await audit.WithAsync("user_disabled", id, () => ShutOutAsync(
                user.Where(each => each.DisabledAt == null), disabledAt: clock.GetUtcNow(), mustChange: null));
        }
        else if (request.Disabled is false)
        {
            await audit.WithAsync("user_enabled", id, async () =>
                await user.Where(each => each.DisabledAt != null).ExecuteUpdateAsync(
                    set => set.SetProperty(each => each.DisabledAt, (DateTimeOffset?)null),
                    CancellationToken.None) == 1);
        }

        if (request.MustChangePassword is true)
        {
            await audit.WithAsync("password_expired", id, () => ShutOutAsync(
                user.Where(each => !each.MustChangePassword), disabledAt: null, mustChange: true));
        }
        else if (request.MustChangePassword is false)
        {
            await audit.WithAsync("password_expiry_taken_back", id, async () =>
                await user.Where(each => each.MustChangePassword).ExecuteUpdateAsync(
                    set => set.SetProperty(each => each.MustChangePassword, false), CancellationToken.None) == 1);
        }

        return await FindUser(id, db, cancellationToken) switch
        {
            { Result: Ok<UserResponse> found } => found,
            _ => TypedResults.NotFound(),
        };

        // The stamp ends refresh tokens, too, also those of a login that runs at this moment.
        async Task<bool> ShutOutAsync(IQueryable<User> one, DateTimeOffset? disabledAt, bool? mustChange)
        {
            var stamp = Guid.NewGuid().ToString("N");
            var changed = await one.ExecuteUpdateAsync(set => set
                .SetProperty(each => each.DisabledAt, each => disabledAt ?? each.DisabledAt)
                .SetProperty(each => each.MustChangePassword, each => mustChange ?? each.MustChangePassword)
                .SetProperty(each => each.SecurityStamp, stamp), CancellationToken.None);
            if (changed == 1)
            {
                await sessions.EndAllAsync(id);
            }

            return changed == 1;
        }
    }

    /// <summary>A user's sessions, the one that was used last first.</summary>
    internal static async Task<Ok<List<SessionResponse>>> ListSessions(
        long id, Sessions sessions, CancellationToken cancellationToken)
    {
        var all = await sessions.Of(id).ToListAsync(cancellationToken);
        return TypedResults.Ok(all.ConvertAll(session => SessionResponse.Of(session, current: null)));
    }

    /// <summary>Ends all sessions of a user. Their tokens are refused within 5 seconds.</summary>
    internal static async Task<NoContent> EndSessions(long id, Sessions sessions, AuditLog audit)
    {
        await audit.WithAsync("sessions_ended", id, async () => await sessions.EndAllAsync(id) > 0);
        return TypedResults.NoContent();
    }

    /// <summary>Ends a session of a user. Its tokens are refused within 5 seconds.</summary>
    internal static async Task<Results<NoContent, NotFound>> EndSession(
        long id, long session, Sessions sessions, AuditLog audit) =>
        await audit.WithAsync("session_ended", id, () => sessions.EndAsync($"{session}", id))
            ? TypedResults.NoContent()
            : TypedResults.NotFound();

    /// <summary>Who did what to whom, the latest first, a page at a time: the header Link names the next one.</summary>
    /// <param name="db">Where it is.</param>
    /// <param name="response">Gets the link.</param>
    /// <param name="user">Only what this user did, or what was done to this user.</param>
    /// <param name="action">Only this, such as <c>user_disabled</c>.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="before">The number of the last entry of the page before.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Ok<List<AuditResponse>>> ListAudit(
        IdentityDb db,
        HttpResponse response,
        long? user = null,
        [RegularExpression("^[a-z_]{1,100}\\z", ErrorMessage = "action is a word such as user_disabled.")]
        string? action = null,
        [Range(1, MaxPage, ErrorMessage = "limit must be 1 to 1000.")] int limit = 100,
        [Range(1, long.MaxValue, ErrorMessage = "before must be an entry's number.")] long before = long.MaxValue,
        CancellationToken cancellationToken = default)
    {
        var page = await db.Audit
            .Where(entry => entry.Id < before
                && (user == null || entry.Actor == user || entry.Subject == user)
                && (action == null || entry.Action == action))
            .OrderByDescending(entry => entry.Id).Take(limit + 1).ToListAsync(cancellationToken);
        if (page.Count > limit)
        {
            page.RemoveAt(limit);
            var more = (user is null ? "" : $"user={user}&")
                + (action is null ? "" : $"action={Uri.EscapeDataString(action)}&");
            response.Headers.Link = $"</api/admin/audit?{more}limit={limit}&before={page[^1].Id}>; rel=\"next\"";
        }

        return TypedResults.Ok(page.ConvertAll(entry => new AuditResponse(
            entry.Id, entry.At.UtcDateTime, entry.Actor, entry.Subject, entry.Action, entry.Detail, entry.Address)));
    }

    /// <summary>Adds what an administrator does in another service, which calls this before it does it.</summary>
    private static async Task<NoContent> AddAuditAsync(AuditRequest entry, AuditLog audit)
    {
        await audit.AddAsync(entry);
        return TypedResults.NoContent();
    }

    private static async Task<List<UserResponse>> ReadAsync(
        IdentityDb db, IQueryable<User> users, CancellationToken cancellationToken)
    {
        var page = await users.AsNoTracking().ToListAsync(cancellationToken);
        var ids = page.ConvertAll(user => user.Id);
        var roles = await db.UserRoles.Where(membership => ids.Contains(membership.UserId))
            .Join(db.Roles, membership => membership.RoleId, role => role.Id, (membership, role) => new
            {
                membership.UserId,
                role.Name,
            })
            .ToListAsync(cancellationToken);
        return page.ConvertAll(user => new UserResponse(
            user.Id, user.UserName!,
            [.. roles.Where(role => role.UserId == user.Id).Select(role => role.Name!).Order()],
            user.CreatedAt.UtcDateTime, user.DisabledAt?.UtcDateTime, user.MustChangePassword));
    }

    private static ProblemHttpResult OwnAccount() => Problems.Refusal(
        StatusCodes.Status409Conflict, "own_account", "This is you. Another administrator can do that.");
}

/// <summary>What to change of a user.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Disabled">Whether the user can do nothing any more.</param>
/// <param name="MustChangePassword">Whether a login needs a new password first.</param>
/// <example>{"disabled":true}</example>
public sealed record ChangeUserRequest(
    bool? Disabled = null,
    [property: JsonPropertyName("must_change_password")] bool? MustChangePassword = null);

/// <summary>A user, as administrators see one.</summary>
/// <param name="Id">The user's number.</param>
/// <param name="Username">The name, as it was registered.</param>
/// <param name="Roles">Roles; most users have none.</param>
/// <param name="Created">When the user registered, in UTC.</param>
/// <param name="Disabled">When an administrator disabled the user, in UTC; null when the user may log in.</param>
/// <param name="MustChangePassword">Whether a login needs a new password first.</param>
/// <example>
/// {"id":2,"username":"alice","roles":[],"created":"2025-01-06T12:34:56.789Z","disabled":null,
/// "must_change_password":false}
/// </example>
internal sealed record UserResponse(
    long Id,
    string Username,
    string[] Roles,
    DateTime Created,
    DateTime? Disabled,
    [property: JsonPropertyName("must_change_password")] bool MustChangePassword);

/// <summary>What somebody did.</summary>
/// <param name="Id">Which entry it is.</param>
/// <param name="At">When, in UTC.</param>
/// <param name="Actor">The user who did it.</param>
/// <param name="Subject">The user to whom it was done.</param>
/// <param name="Action">What was done.</param>
/// <param name="Detail">More about it.</param>
/// <param name="Address">The address that asked for it.</param>
/// <example>
/// {"id":12,"at":"2025-01-06T12:34:56.789Z","actor":1,"subject":2,"action":"user_disabled","detail":null,
/// "address":"203.0.113.7"}
/// </example>
internal sealed record AuditResponse(
    long Id, DateTime At, long? Actor, long? Subject, string Action, string? Detail, string? Address);
