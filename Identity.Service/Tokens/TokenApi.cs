using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;
using Answer = Microsoft.AspNetCore.Http.HttpResults.Results<
    Microsoft.AspNetCore.Http.HttpResults.SignInHttpResult,
    Microsoft.AspNetCore.Http.HttpResults.ForbidHttpResult,
    Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult>;

namespace Identity.Service;

/// <summary>
/// Login, refresh and logout. OpenIddict has read and checked the request before a handler here runs; what the handler
/// signs in is what OpenIddict makes tokens of.
/// </summary>
internal static class TokenApi
{
    private const string WrongLogin = "The username or the password is wrong.";
    private const string Scheme = OpenIddictServerAspNetCoreDefaults.AuthenticationScheme;

    /// <summary>
    /// In refresh tokens alone: changes with the password, so that no login before the change outlives it, not even one
    /// that runs at the same time and whose tokens nobody could revoke yet.
    /// </summary>
    private const string StampClaim = "security_stamp";

    /// <summary>Maps the token endpoints and POST /api/logout.</summary>
    public static void MapTokens(this IEndpointRouteBuilder routes)
    {
        routes.MapPost(TokenServer.TokenPath, Exchange);
        var api = routes.MapGroup("").WithTags("Account");
        api.MapPost(TokenServer.LoginPath, LogIn).WithSummary("Log in").TakesJson<LoginRequest>().Refuses(
            [
                TypedResults.Problem(WrongLogin, statusCode: StatusCodes.Status401Unauthorized),
                Disabled(), PasswordExpired(), .. PasswordVerdict.Refusals,
            ]);
        api.MapPost(TokenServer.RefreshPath, Refresh).WithSummary("Refresh tokens").TakesJson<RefreshRequest>()
            .Refuses(BadRefreshToken());
        api.MapPost("/api/logout", LogOut).WithSummary("Log out").Refuses(BadRefreshToken());
    }

    private static Task<Answer> Exchange(
        HttpContext context,
        UserManager<User> users,
        PasswordGuard guard,
        Sessions sessions,
        ApiKeyGrant keys,
        IOpenIddictApplicationManager applications,
        SecurityLog log,
        IdentityMetrics metrics) => context.GetOpenIddictServerRequest()!.GrantType switch
        {
            GrantTypes.Password => LogIn(context, users, guard, sessions, log, metrics),
            GrantTypes.RefreshToken => Refresh(context, users, sessions),
            ApiKeys.GrantType => Use(context, keys),
            _ => Delegate(context, applications, log),
        };

    /// <summary>Gives tokens for a name and a password.</summary>
    internal static async Task<Answer> LogIn(
        HttpContext context,
        UserManager<User> users,
        PasswordGuard guard,
        Sessions sessions,
        SecurityLog log,
        IdentityMetrics metrics)
    {
        var request = context.GetOpenIddictServerRequest()!;
        var (name, password) = (request.Username!, request.Password!);
        var verdict = await guard.CheckAsync(
            name,
            password,
            () => users.FindAsync(name),
            context);
        if (verdict.Status is PasswordStatus.Wrong)
        {
            return Refuse(WrongLogin);
        }

        if (verdict.Status is not PasswordStatus.Right)
        {
            return verdict.Refuse(context.Response);
        }

        var user = verdict.User!;
        if (user.DisabledAt is not null)
        {
            return Disabled();
        }

        if (user.MustChangePassword)
        {
            return PasswordExpired();
        }

        if (await sessions.BeginAsync(user, context) is not { } session)
        {
            return Refuse(WrongLogin); // Another password, or no such user any more, since it was looked at.
        }

        log.LoginSucceeded(user.Id);
        metrics.LoggedIn();
        var identity = new ClaimsIdentity(Scheme).SetAuthorizationId(session).SetClaim(Tokens.SessionClaim, session);
        return SignIn(await DescribeAsync(user, users, identity));
    }

    /// <summary>Gives new tokens for a refresh token, which is used up.</summary>
    internal static async Task<Answer> Refresh(HttpContext context, UserManager<User> users, Sessions sessions)
    {
        var ticket = await context.AuthenticateAsync(Scheme);
        var user = await users.FindByIdAsync(ticket.Principal!.GetClaim(Claims.Subject)!);
        if (user is null)
        {
            return Refuse("The user of this refresh token is gone.");
        }

        if (ticket.Principal!.GetClaim(StampClaim) != user.SecurityStamp)
        {
            return Refuse("The password has changed since the login of this refresh token.");
        }

        if (!await sessions.CarryOnAsync(ticket.Principal!.GetAuthorizationId(), context))
        {
            return Refuse("The session of this refresh token has ended. Log in again.");
        }

        // The claims of the refresh token keep the session together; those about the user are read anew.
        return SignIn(await DescribeAsync(user, users, new ClaimsIdentity(ticket.Principal!.Claims, Scheme)));
    }

    private static async Task<Answer> Use(HttpContext context, ApiKeyGrant keys)
    {
        var key = (string?)context.GetOpenIddictServerRequest()![ApiKeys.Parameter];
        return await keys.DescribeAsync(key, Scheme, context.RequestAborted) is { } identity
            ? SignIn(identity)
            : Refuse("This API key is unknown, revoked or has expired.");
    }

    private static async Task<Answer> Delegate(
        HttpContext context, IOpenIddictApplicationManager applications, SecurityLog log)
    {
        var clientId = context.GetOpenIddictServerRequest()!.ClientId!;
        var client = await applications.FindByClientIdAsync(clientId, context.RequestAborted)
            ?? throw new InvalidOperationException($"The client {clientId} was removed while it asked for a token.");
        var permissions = await applications.GetPermissionsAsync(client, context.RequestAborted);
        var scopes = permissions.Where(each => each.StartsWith(Permissions.Prefixes.Scope, StringComparison.Ordinal))
            .Select(each => each[Permissions.Prefixes.Scope.Length..]);

        log.ClientTokenIssued(clientId);
        return SignIn(new ClaimsIdentity(Scheme)
            .SetClaim(Claims.Subject, clientId)
            .SetScopes(scopes));
    }

    /// <summary>Ends a login: all refresh tokens that came of it are revoked.</summary>
    internal static async Task<Results<NoContent, ProblemHttpResult>> LogOut(
        RefreshRequest request,
        IOpenIddictTokenManager tokens,
        Sessions sessions,
        SecurityLog log,
        CancellationToken cancellationToken)
    {
        if (request.Missing is { } missing)
        {
            return TypedResults.Problem(missing, statusCode: StatusCodes.Status400BadRequest);
        }

        var token = await tokens.FindByReferenceIdAsync(request.Refresh!, cancellationToken);
        var session = token is null ? null : await tokens.GetAuthorizationIdAsync(token, cancellationToken);
        if (!await sessions.EndAsync(session))
        {
            return BadRefreshToken();
        }

        log.LoggedOut(await tokens.GetSubjectAsync(token!, cancellationToken), session!);
        return TypedResults.NoContent();
    }

    private static async Task<ClaimsIdentity> DescribeAsync(
        User user, UserManager<User> users, ClaimsIdentity identity) => identity
            .SetClaim(Claims.Subject, user.Id.ToString(CultureInfo.InvariantCulture))
            .SetClaim(Claims.Name, user.UserName)
            .SetClaim(StampClaim, user.SecurityStamp)
            .SetClaims(Claims.Role, [.. await users.GetRolesAsync(user)]) // In place of those the user had before.
            .SetScopes(Tokens.UserScope); // Whatever was asked for.

    private static SignInHttpResult SignIn(ClaimsIdentity identity) => TypedResults.SignIn(
        new ClaimsPrincipal(identity.SetResources(Tokens.Audience).SetDestinations(
            claim => claim.Type == StampClaim ? [] : [Destinations.AccessToken])),
        authenticationScheme: Scheme);

    internal static ProblemHttpResult Disabled() => Problems.Refusal(
        StatusCodes.Status403Forbidden, "user_disabled", "An administrator has disabled this user.");

    private static ProblemHttpResult PasswordExpired() => Problems.Refusal(
        StatusCodes.Status403Forbidden, "password_expired",
        "This password has to be changed before the next login: see POST /api/login/password.");

    private static ProblemHttpResult BadRefreshToken() => TypedResults.Problem(
        JsonTokenResponse.BadRefreshToken, statusCode: StatusCodes.Status401Unauthorized);

    private static ForbidHttpResult Refuse(string sentence) => TypedResults.Forbid(
        new AuthenticationProperties(new Dictionary<string, string?>
        {
            [OpenIddictServerAspNetCoreConstants.Properties.Error] = Errors.InvalidGrant,
            [OpenIddictServerAspNetCoreConstants.Properties.ErrorDescription] = sentence,
        }),
        [Scheme]);
}
