using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>Changes a password for one who knows the old one, and ends all sessions of the user.</summary>
internal sealed class PasswordChange(
    IdentityDb db, PasswordGuard guard, Sessions sessions, AuditLog audit, SecurityLog log)
{
    /// <summary>Checks the old password as a login does, and then changes it.</summary>
    /// <param name="name">The name that was sent.</param>
    /// <param name="find">Finds the user of that name, if there is one: not before a lock was looked for.</param>
    /// <param name="old">The password in use.</param>
    /// <param name="new">The one to be used from now on.</param>
    /// <param name="http">The request.</param>
    /// <returns>No content, or why nothing was changed.</returns>
    public async Task<Results<NoContent, ProblemHttpResult>> MakeAsync(
        string name, Func<Task<User?>> find, string old, string @new, HttpContext http)
    {
        if (User.IsNameAsPassword(name, @new))
        {
            return TypedResults.Problem(User.PasswordIsNameRule, statusCode: StatusCodes.Status400BadRequest);
        }

        var verdict = await guard.CheckAsync(name, old, find, http);
        if (verdict.Status is not PasswordStatus.Right)
        {
            return verdict.Status is PasswordStatus.Wrong
                ? AccountApi.WrongPassword()
                : verdict.Refuse(http.Response);
        }

        var user = verdict.User!;
        if (user.DisabledAt is not null)
        {
            return TokenApi.Disabled();
        }

        if (PasswordAttribute.OneForm(old) == PasswordAttribute.OneForm(@new))
        {
            return SamePassword();
        }

        if (await guard.HashAsync(user, @new, http) is not { } hash)
        {
            return PasswordVerdict.RefuseBusy(http.Response);
        }

        // Of two changes at once the second finds that its old password is not the old one any more.
        var stamp = Guid.NewGuid().ToString("N");
        var isChanged = await audit.WithAsync("password_changed", user.Id, async () =>
        {
            var changed = await db.Users
                .Where(each => each.Id == user.Id && each.SecurityStamp == user.SecurityStamp
                    && each.DisabledAt == null)
                .ExecuteUpdateAsync(set => set
                    .SetProperty(each => each.PasswordHash, hash)
                    .SetProperty(each => each.MustChangePassword, false)
                    .SetProperty(each => each.SecurityStamp, stamp));
            if (changed == 1)
            {
                await sessions.EndAllAsync(user.Id);
            }

            return changed == 1;
        });
        if (!isChanged && !await db.IsStampAsync(user.Id, stamp))
        {
            return AccountApi.WrongPassword();
        }

        log.PasswordChanged(user.Id);
        return TypedResults.NoContent();
    }

    /// <summary>The answer to a new password that is the old one.</summary>
    internal static ProblemHttpResult SamePassword() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "same_password", "The new password is the old one. Choose another.");
}
