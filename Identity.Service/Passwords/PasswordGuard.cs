using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace Identity.Service;

/// <summary>
/// The one way to have a password checked, for login, password change and deletion alike: locks before it, a turn at
/// hashing, the same work whether or not there is such a user, and a count of what failed.
/// </summary>
internal sealed class PasswordGuard(
    LoginThrottle throttle,
    HashGate gate,
    IPasswordHasher<User> hasher,
    EqualWorkHasher nobody,
    IdentityDb db,
    SecurityLog log,
    IdentityMetrics metrics)
{
    /// <summary>Checks a password and counts a wrong one.</summary>
    /// <param name="name">The name that was sent.</param>
    /// <param name="password">The password that was sent.</param>
    /// <param name="find">
    /// Finds the user of that name, if there is one. Not done before a lock is looked for: it takes longer for names
    /// that somebody has.
    /// </param>
    /// <param name="http">The request, for its address.</param>
    /// <returns>Whether it is right, or why nobody looked.</returns>
    public async Task<PasswordVerdict> CheckAsync(
        string name, string password, Func<Task<User?>> find, HttpContext http)
    {
        password = PasswordAttribute.OneForm(password);
        var attempt = throttle.Attempt(name, http.Connection.RemoteIpAddress);
        if (await IsLockedAsync(attempt, http.RequestAborted) is { } locked)
        {
            return locked;
        }

        using var turn = await gate.EnterAsync(attempt.Address, http.RequestAborted);
        if (turn.IsRefused)
        {
            return Busy();
        }

        // Those who waited together must not all be looked at because the first had not failed yet when they came.
        if (turn.Waited && await IsLockedAsync(attempt, http.RequestAborted) is { } lockedMeanwhile)
        {
            return lockedMeanwhile;
        }

        var user = await find();
        var asked = user ?? nobody.Nobody;
        var result = hasher.VerifyHashedPassword(asked, asked.PasswordHash!, password);
        if (result == PasswordVerificationResult.Failed || user is null)
        {
            await CountFailureAsync(attempt, user);
            return new(PasswordStatus.Wrong);
        }

        await throttle.SucceedAsync(attempt, CancellationToken.None);
        if (result == PasswordVerificationResult.SuccessRehashNeeded)
        {
            await RehashAsync(user, password);
        }

        return new(PasswordStatus.Right, User: user);
    }

    /// <summary>Checks a user's own password, like a login of that user.</summary>
    /// <param name="user">Whose it is to be.</param>
    /// <param name="password">The password that was sent.</param>
    /// <param name="http">The request, for its address.</param>
    public Task<PasswordVerdict> CheckAsync(User user, string password, HttpContext http) =>
        CheckAsync(user.UserName!, password, () => Task.FromResult<User?>(user), http);

    /// <summary>Hashes a new password, in turn.</summary>
    /// <returns>The hash, or null when too many wait.</returns>
    public Task<string?> HashAsync(User user, string password, HttpContext http) =>
        HashAsync(user, password, isRegistration: false, http);

    /// <summary>Hashes the password of a new user, in turn; there are fewer turns than for logins.</summary>
    /// <returns>The hash, or null when too many wait.</returns>
    public Task<string?> HashForRegistrationAsync(User user, string password, HttpContext http) =>
        HashAsync(user, password, isRegistration: true, http);

    private async Task<string?> HashAsync(User user, string password, bool isRegistration, HttpContext http)
    {
        var attempt = throttle.Attempt(user.UserName!, http.Connection.RemoteIpAddress);
        using var turn = await gate.EnterAsync(attempt.Address, http.RequestAborted, isRegistration);
        if (turn.IsRefused)
        {
            Busy();
            return null;
        }

        return hasher.HashPassword(user, PasswordAttribute.OneForm(password));
    }

    private async Task<PasswordVerdict?> IsLockedAsync(LoginAttempt attempt, CancellationToken cancellationToken)
    {
        if (await throttle.WaitAsync(attempt, cancellationToken) is not { } wait)
        {
            return null;
        }

        log.LoginLocked(attempt.Address);
        metrics.LoginFailed("locked");
        return new(PasswordStatus.Locked, wait);
    }

    // Not to be escaped by leaving: the request's own token does not end it.
    private async Task CountFailureAsync(LoginAttempt attempt, User? user)
    {
        if (user is null)
        {
            log.LoginFailedUnknownUser(attempt.Address);
        }
        else
        {
            log.LoginFailed(user.Id, attempt.Address);
        }

        metrics.LoginFailed("wrong_password");
        foreach (var (scope, wait) in await throttle.FailAsync(attempt, CancellationToken.None))
        {
            log.LockedOut(scope, user?.Id, attempt.Address, wait.TotalSeconds);
            metrics.LockedOut(scope);
        }
    }

    private PasswordVerdict Busy()
    {
        log.TooManyLogins();
        metrics.LoginFailed("busy");
        return new(PasswordStatus.Busy, TimeSpan.FromSeconds(1));
    }

    /// <summary>Brings a hash up to the figure in use, unless the password has changed since.</summary>
    private async Task RehashAsync(User user, string password)
    {
        var (old, hash) = (user.PasswordHash, hasher.HashPassword(user, password));
        var rehashed = await db.Users.Where(each => each.Id == user.Id && each.PasswordHash == old)
            .ExecuteUpdateAsync(set => set.SetProperty(each => each.PasswordHash, hash));
        if (rehashed == 1)
        {
            log.PasswordRehashed(user.Id);
        }
    }
}

/// <summary>What became of a password check.</summary>
internal enum PasswordStatus
{
    /// <summary>It is the user's.</summary>
    Right,

    /// <summary>It is not, or there is no such user.</summary>
    Wrong,

    /// <summary>Nobody looked: too many were wrong before.</summary>
    Locked,

    /// <summary>Nobody looked: too many passwords wait to be checked.</summary>
    Busy,
}

/// <summary>What became of a password check.</summary>
/// <param name="Status">In a word.</param>
/// <param name="RetryAfter">When to try again, where nobody looked.</param>
/// <param name="User">Whose the password is, where it is right.</param>
internal sealed record PasswordVerdict(PasswordStatus Status, TimeSpan RetryAfter = default, User? User = null)
{
    /// <summary>Those answers, for the description of the API.</summary>
    public static IEnumerable<ProblemHttpResult> Refusals =>
        [Refusal(PasswordStatus.Locked), Refusal(PasswordStatus.Busy)];

    /// <summary>
    /// The answer to a check that was not made: 429 or 503, with <c>Retry-After</c> (RFC 9110, 10.2.3).
    /// </summary>
    /// <param name="response">Gets the header.</param>
    public ProblemHttpResult Refuse(HttpResponse response)
    {
        var seconds = Math.Max(1, (long)Math.Ceiling(RetryAfter.TotalSeconds));
        response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return Refusal(Status);
    }

    /// <summary>The answer when too many passwords wait to be hashed.</summary>
    /// <param name="response">Gets the header.</param>
    public static ProblemHttpResult RefuseBusy(HttpResponse response) =>
        new PasswordVerdict(PasswordStatus.Busy).Refuse(response);

    private static ProblemHttpResult Refusal(PasswordStatus status) => status == PasswordStatus.Locked
        ? Problems.Refusal(
            StatusCodes.Status429TooManyRequests, "too_many_failed_logins",
            "There were too many wrong passwords. Try again after the seconds in Retry-After.")
        : Problems.Refusal(
            StatusCodes.Status503ServiceUnavailable, "too_many_logins",
            "Too many are logging in at once. Nothing was done: try again after the seconds in Retry-After.");
}
