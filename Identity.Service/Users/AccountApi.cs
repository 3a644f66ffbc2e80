using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Service;

/// <summary>What users do with their own account.</summary>
internal static class AccountApi
{
    /// <summary>Maps POST /api/password and /api/login/password, and GET and DELETE /api/me.</summary>
    public static void MapAccount(this IEndpointRouteBuilder routes)
    {
        var account = routes.MapGroup("/api").WithTags("Account").RequireAuthorization(Tokens.UserPolicy);
        account.MapPost("/password", ChangePassword).WithSummary("Change password")
            .RequireAuthorization(Tokens.LoginPolicy)
            .Refuses([WrongPassword(), PasswordChange.SamePassword(), .. PasswordVerdict.Refusals]);
        account.MapGet("/me", Me).WithSummary("Who am I");
        account.MapDelete("/me", Delete).WithSummary("Delete account")
            .RequireAuthorization(Tokens.LoginPolicy).Refuses([WrongPassword(), .. PasswordVerdict.Refusals]);
        routes.MapPost("/api/login/password", ChangeExpiredPassword).WithTags("Account")
            .WithSummary("Change an expired password").Refuses(
            [
                WrongPassword(), PasswordChange.SamePassword(), TokenApi.Disabled(), .. PasswordVerdict.Refusals,
            ]);
    }

    /// <summary>Who the caller is.</summary>
    internal static async Task<Results<Ok<MeResponse>, ProblemHttpResult>> Me(
        ClaimsPrincipal caller, UserManager<User> users)
    {
        if (await FindAsync(users, caller) is not { } user)
        {
            return Gone();
        }

        return TypedResults.Ok(new MeResponse(
            user.Id, user.UserName!, [.. (await users.GetRolesAsync(user)).Order()], user.CreatedAt.UtcDateTime));
    }

    /// <summary>Changes the password, and ends all sessions.</summary>
    internal static async Task<Results<NoContent, ProblemHttpResult>> ChangePassword(
        ChangePasswordRequest request,
        ClaimsPrincipal caller,
        UserManager<User> users,
        PasswordChange change,
        HttpContext http) => await FindAsync(users, caller) is { } user
            ? await change.MakeAsync(
                user.UserName!, () => Task.FromResult<User?>(user), request.Old!, request.New!, http)
            : Gone();

    /// <summary>Changes the password without a login, for those who cannot log in before.</summary>
    /// <remarks>When an administrator has asked for a new password, POST /api/login says so.</remarks>
    internal static Task<Results<NoContent, ProblemHttpResult>> ChangeExpiredPassword(
        ChangeExpiredPasswordRequest request, UserManager<User> users, PasswordChange change, HttpContext http) =>
        change.MakeAsync(
            request.Username!, () => users.FindAsync(request.Username!), request.Old!, request.New!, http);

    /// <summary>Deletes the user for good.</summary>
    /// <remarks>Name and password are gone, the account is closed, and the words of all chats are erased.</remarks>
    internal static async Task<Results<NoContent, ProblemHttpResult>> Delete(
        [FromBody] DeleteRequest request,
        ClaimsPrincipal caller,
        UserManager<User> users,
        PasswordGuard guard,
        Departures departures,
        HttpContext http)
    {
        if (await FindAsync(users, caller) is not { } user)
        {
            return Gone();
        }

        var verdict = await guard.CheckAsync(user, request.Password!, http);
        if (verdict.Status is not PasswordStatus.Right)
        {
            return verdict.Status is PasswordStatus.Wrong ? WrongPassword() : verdict.Refuse(http.Response);
        }

        return await departures.LeaveAsync(user) ? TypedResults.NoContent() : WrongPassword();
    }

    private static async Task<User?> FindAsync(UserManager<User> users, ClaimsPrincipal caller) =>
        await users.FindByIdAsync(caller.GetUserId().ToString(CultureInfo.InvariantCulture)) is { LeavingAt: null } user
            ? user
            : null;

    /// <summary>The answer to a wrong password.</summary>
    internal static ProblemHttpResult WrongPassword() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "wrong_password", "The password is not the one in use. Nothing was changed.");

    /// <summary>The answer to a caller whose access token has outlived the user.</summary>
    internal static ProblemHttpResult Gone() => TypedResults.Problem(
        "The session of this access token has ended, or its user has been deleted.",
        statusCode: StatusCodes.Status401Unauthorized);
}

/// <summary>Registers what accounts need.</summary>
internal static class AccountExtensions
{
    /// <summary>Adds <see cref="Departures"/>; they find other services by service discovery.</summary>
    public static void AddDepartures(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<OwnToken>();
        builder.Services.AddHttpClient<Belongings>();
        builder.Services.AddScoped<Departures>();
        builder.Services.AddScoped<PasswordChange>();
        builder.Services.AddHostedService<FinishDepartures>();
    }
}

/// <summary>A new password for an old one.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Old">The password in use.</param>
/// <param name="New">The one to be used from now on.</param>
/// <example>{"old":"correct horse battery","new":"another horse battery"}</example>
public sealed record ChangePasswordRequest(
    [Required(AllowEmptyStrings = true, ErrorMessage = User.OldPasswordRule)]
    [MinLength(1, ErrorMessage = User.OldPasswordRule)]
    string? Old,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Send the new password as 'new'."), Password] string? New);

/// <summary>A new password for an old one with which nobody can log in any more.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Username">The user's name.</param>
/// <param name="Old">The password in use.</param>
/// <param name="New">The one to be used from now on.</param>
/// <example>{"username":"alice","old":"correct horse battery","new":"another horse battery"}</example>
public sealed record ChangeExpiredPasswordRequest(
    [Required(ErrorMessage = "Send a 'username'.")] string? Username,
    [Required(AllowEmptyStrings = true, ErrorMessage = User.OldPasswordRule)]
    [MinLength(1, ErrorMessage = User.OldPasswordRule)]
    string? Old,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Send the new password as 'new'."), Password] string? New);

/// <summary>The end of an account.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Password">The password in use.</param>
/// <example>{"password":"correct horse battery"}</example>
public sealed record DeleteRequest(
    [Required(AllowEmptyStrings = true, ErrorMessage = User.PasswordInUseRule)]
    [MinLength(1, ErrorMessage = User.PasswordInUseRule)]
    string? Password);

/// <summary>The answer to GET /api/me.</summary>
/// <param name="Id">The user's number.</param>
/// <param name="Username">The name, as it was registered.</param>
/// <param name="Roles">Roles, in alphabetical order; most users have none.</param>
/// <param name="Created">When the user registered.</param>
/// <example>{"id":1,"username":"alice","roles":[],"created":"2025-01-06T12:34:56.789Z"}</example>
internal sealed record MeResponse(long Id, string Username, string[] Roles, DateTime Created);
