using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using OpenIddict.EntityFrameworkCore.Models;

namespace Identity.Service;

/// <summary>What users do with their own account.</summary>
internal static class AccountApi
{
    /// <summary>Maps POST /api/password and GET and DELETE /api/me.</summary>
    /// <param name="routes">The service.</param>
    public static void MapAccount(this IEndpointRouteBuilder routes)
    {
        var account = routes.MapGroup("/api").RequireAuthorization(Tokens.UserPolicy);
        account.MapPost("/password", ChangePassword);
        account.MapGet("/me", Me);
        account.MapDelete("/me", Delete);
    }

    private static async Task<Results<Ok<MeResponse>, ProblemHttpResult>> Me(
        ClaimsPrincipal caller, UserManager<User> users)
    {
        if (await FindAsync(users, caller) is not { } user)
        {
            return Gone();
        }

        return TypedResults.Ok(new MeResponse(
            user.Id, user.UserName!, [.. (await users.GetRolesAsync(user)).Order()], user.CreatedAt.UtcDateTime));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangePassword(
        ChangePasswordRequest request,
        ClaimsPrincipal caller,
        UserManager<User> users,
        PasswordGuard guard,
        IdentityDb db,
        IOpenIddictTokenManager tokens,
        IOpenIddictAuthorizationManager families,
        SecurityLog log,
        HttpContext http)
    {
        if (await FindAsync(users, caller) is not { } user)
        {
            return Gone();
        }

        if (User.IsNameAsPassword(user.UserName!, request.New!))
        {
            return TypedResults.Problem(User.PasswordIsNameRule, statusCode: StatusCodes.Status400BadRequest);
        }

        var verdict = await guard.CheckAsync(user, request.Old!, http);
        if (verdict.Status is not PasswordStatus.Right)
        {
            return verdict.Status is PasswordStatus.Wrong ? WrongPassword() : verdict.Refuse(http.Response);
        }

        if (await guard.HashAsync(user, request.New!, http.RequestAborted) is not { } hash)
        {
            return PasswordVerdict.RefuseBusy(http.Response);
        }

        // Of two changes at once the second finds that its old password is not the old one any more.
        var stamp = Guid.NewGuid().ToString("N");
        var changed = await db.Users.Where(each => each.Id == user.Id && each.SecurityStamp == user.SecurityStamp)
            .ExecuteUpdateAsync(
                set => set.SetProperty(each => each.PasswordHash, hash).SetProperty(each => each.SecurityStamp, stamp),
                CancellationToken.None);
        if (changed == 0)
        {
            return WrongPassword();
        }

        log.PasswordChanged(user.Id);
        await RevokeAsync(user.Id, tokens, families);
        return TypedResults.NoContent();
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> Delete(
        [FromBody] DeleteRequest request,
        ClaimsPrincipal caller,
        UserManager<User> users,
        PasswordGuard guard,
        Belongings belongings,
        IdentityDb db,
        IOpenIddictTokenManager tokens,
        IOpenIddictAuthorizationManager families,
        SecurityLog log,
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

        // First, because a user who is gone cannot ask again.
        try
        {
            await belongings.GiveUpAsync(user.Id, http.RequestAborted);
        }
        catch (Exception failed) when (!http.RequestAborted.IsCancellationRequested)
        {
            log.UserNotDeleted(failed, user.Id);
            http.Response.Headers.RetryAfter = "5";
            return Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "service_unavailable",
                "The account could not be deleted whole and is still there. Try again after the seconds in Retry-After.");
        }

        var deleted = await db.Users.Where(each => each.Id == user.Id && each.SecurityStamp == user.SecurityStamp)
            .ExecuteDeleteAsync(CancellationToken.None);
        if (deleted == 0)
        {
            return WrongPassword();
        }

        log.UserDeleted(user.Id);
        await RevokeAsync(user.Id, tokens, families);
        // What is left of the families are rows with the number alone, which go with the next pruning.
        var subject = Subject(user.Id);
        await db.Set<OpenIddictEntityFrameworkCoreToken<long>>().Where(token => token.Subject == subject)
            .ExecuteDeleteAsync(CancellationToken.None);
        return TypedResults.NoContent();
    }

    private static Task<User?> FindAsync(UserManager<User> users, ClaimsPrincipal caller) =>
        users.FindByIdAsync(Subject(caller.GetUserId()));

    /// <summary>Families first: a refresh that runs at the same time may add a token, but not one that works.</summary>
    private static async Task RevokeAsync(
        long userId, IOpenIddictTokenManager tokens, IOpenIddictAuthorizationManager families)
    {
        await families.RevokeBySubjectAsync(Subject(userId), CancellationToken.None);
        await tokens.RevokeBySubjectAsync(Subject(userId), CancellationToken.None);
    }

    private static string Subject(long userId) => userId.ToString(CultureInfo.InvariantCulture);

    private static ProblemHttpResult WrongPassword() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "wrong_password", "The password is not the one in use. Nothing was changed.");

    private static ProblemHttpResult Gone() => TypedResults.Problem(
        "The user of this access token has been deleted.", statusCode: StatusCodes.Status401Unauthorized);
}

/// <summary>Registers what accounts need.</summary>
internal static class AccountExtensions
{
    /// <summary>Adds <see cref="Belongings"/>, which finds services by service discovery.</summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddBelongings(this IHostApplicationBuilder builder) =>
        builder.Services.AddHttpClient<Belongings>();
}

/// <summary>A new password for an old one. Public, because validation passes over internal types.</summary>
/// <param name="Old">The password in use.</param>
/// <param name="New">The one to be used from now on.</param>
public sealed record ChangePasswordRequest(
    [Required(ErrorMessage = "Send the password in use as 'old'.")] string? Old,
    [Required(AllowEmptyStrings = true, ErrorMessage = "Send the new password as 'new'."), Password] string? New);

/// <summary>The end of an account. Public, because validation passes over internal types.</summary>
/// <param name="Password">The password in use.</param>
public sealed record DeleteRequest([Required(ErrorMessage = "Send the 'password' in use.")] string? Password);

/// <summary>The answer to GET /api/me.</summary>
/// <param name="Id">The user's number.</param>
/// <param name="Username">The name, as it was registered.</param>
/// <param name="Roles">Roles, in alphabetical order; most users have none.</param>
/// <param name="Created">When the user registered.</param>
internal sealed record MeResponse(long Id, string Username, string[] Roles, DateTime Created);
