using System.Globalization;
using Microsoft.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore.Models;

namespace Identity.Service;

/// <summary>
/// Users who leave. In one statement they are gone for everybody: no name, no password, nothing that a login or a token
/// finds. What they have in other services follows, at once or when these are there again, and their row goes last.
/// </summary>
internal sealed class Departures(
    IdentityDb db,
    Belongings belongings,
    LoginThrottle throttle,
    Sessions sessions,
    AuditLog audit,
    TimeProvider clock,
    SecurityLog log)
{
    /// <summary>How long other services are waited for before the rest is left for later.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Lets a user go. Whoever has asked need not wait: it is done whether or not they do.</summary>
    /// <param name="user">The user, as read when the password was checked.</param>
    /// <returns>False when the password has changed since; nothing was done then.</returns>
    public async Task<bool> LeaveAsync(User user)
    {
        var (name, stamp) = (user.UserName!, Guid.NewGuid().ToString("N"));
        var hasLeft = await audit.WithAsync("user_left", user.Id, async () =>
        {
            var left = await db.Users
                .Where(each => each.Id == user.Id && each.SecurityStamp == user.SecurityStamp && each.LeavingAt == null)
                .ExecuteUpdateAsync(set => set
                    .SetProperty(each => each.LeavingAt, clock.GetUtcNow())
                    .SetProperty(each => each.UserName, "")
                    .SetProperty(each => each.NormalizedUserName, User.NoName(user.Id))
                    .SetProperty(each => each.PasswordHash, "")
                    .SetProperty(each => each.SecurityStamp, stamp));
            if (left == 1)
            {
                await sessions.EndAllAsync(user.Id);
            }

            return left == 1;
        });
        if (!hasLeft && !await db.IsStampAsync(user.Id, stamp))
        {
            return false;
        }

        log.UserLeft(user.Id);
        await throttle.ForgetAsync(name, CancellationToken.None);
        using var patience = new CancellationTokenSource(Patience);
        await FinishAsync(user.Id, patience.Token);
        return true;
    }

    /// <summary>Finishes all departures that could not be finished before.</summary>
    public async Task FinishAllAsync(CancellationToken cancellationToken)
    {
        var ids = await db.Users.Where(user => user.LeavingAt != null).OrderBy(user => user.Id)
            .Select(user => user.Id).ToListAsync(cancellationToken);
        foreach (var id in ids)
        {
            await FinishAsync(id, cancellationToken);
        }
    }

    private async Task FinishAsync(long userId, CancellationToken cancellationToken)
    {
        try
        {
            await belongings.GiveUpAsync(userId, cancellationToken);
            // What is left of the sessions, numbers alone, goes when they are pruned.
            await sessions.ForgetAsync(userId, cancellationToken);
            var subject = userId.ToString(CultureInfo.InvariantCulture);
            await db.Set<OpenIddictEntityFrameworkCoreToken<long>>().Where(token => token.Subject == subject)
                .ExecuteDeleteAsync(cancellationToken);
            await db.Users.Where(user => user.Id == userId).ExecuteDeleteAsync(cancellationToken);
            log.UserDeleted(userId);
        }
        catch (Exception failed)
        {
            log.UserNotDeleted(failed, userId);
        }
    }
}

/// <summary>
/// Finishes departures later, when a service that was needed is there again. All replicas do; once is enough.
/// </summary>
internal sealed class FinishDepartures(
    IServiceProvider services, TimeProvider clock, ILogger<FinishDepartures> logger)
    : PeriodicService(TimeSpan.FromMinutes(1), clock, logger)
{
    /// <inheritdoc/>
    protected override async Task WorkAsync(CancellationToken stoppingToken)
    {
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<Departures>().FinishAllAsync(stoppingToken);
    }
}

/// <summary>Whether a change was made.</summary>
internal static class SecurityStamps
{
    /// <summary>
    /// Whether a user has this stamp: a change whose confirmation was lost, and that was tried again, was done all the
    /// same.
    /// </summary>
    /// <param name="db">The users.</param>
    /// <param name="userId">The user.</param>
    /// <param name="stamp">The stamp that the change sets.</param>
    public static Task<bool> IsStampAsync(this IdentityDb db, long userId, string stamp) =>
        db.Users.AnyAsync(user => user.Id == userId && user.SecurityStamp == stamp);
}
