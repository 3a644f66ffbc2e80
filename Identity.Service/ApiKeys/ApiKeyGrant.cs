using System.Globalization;
using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>
/// Exchanges an API key for an access token: short-lived, without a role, and without a refresh token, so that what can
/// be done with a key ends soon after the key.
/// </summary>
internal sealed class ApiKeyGrant(IdentityDb db, TimeProvider clock)
{
    /// <summary>How long a token of a key lives. The gateway asks for a new one every few seconds.</summary>
    public static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(1);

    /// <summary>How exact it is known when a key was last used: not each use is worth a row's update.</summary>
    private static readonly TimeSpan LastUsedWithin = TimeSpan.FromMinutes(1);

    /// <summary>What the token of a key says.</summary>
    /// <param name="key">What a caller sent as a key.</param>
    /// <param name="scheme">The authentication scheme.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The claims; null when the key is unknown, revoked or at its end.</returns>
    public async Task<ClaimsIdentity?> DescribeAsync(string? key, string scheme, CancellationToken cancellationToken)
    {
        if (!ApiKeys.IsWellFormed(key))
        {
            return null;
        }

        var (hash, now) = (ApiKeys.Hash(key!), clock.GetUtcNow());
        var found = await db.ApiKeys
            .Where(each => each.Hash == hash && each.RevokedAt == null
                && (each.ExpiresAt == null || each.ExpiresAt > now))
            .Join(
                db.Users.Where(user => user.LeavingAt == null && user.DisabledAt == null),
                each => each.UserId,
                user => user.Id,
                (each, user) => new
                {
                    each.Id,
                    each.UserId,
                    each.Limit,
                    each.DailyLimit,
                    each.MonthlyLimit,
                    each.Models,
                    each.Scopes,
                    each.ExpiresAt,
                    each.LastUsedAt,
                    user.UserName,
                })
            .SingleOrDefaultAsync(cancellationToken);
        if (found is null)
        {
            return null;
        }

        if (found.LastUsedAt is null || found.LastUsedAt < now - LastUsedWithin)
        {
            await db.ApiKeys.Where(each => each.Id == found.Id).ExecuteUpdateAsync(
                set => set.SetProperty(each => each.LastUsedAt, now), cancellationToken);
        }

        var rest = found.ExpiresAt - now ?? TokenLifetime;
        return new ClaimsIdentity(scheme)
            .SetClaim(Claims.Subject, found.UserId.ToString(CultureInfo.InvariantCulture))
            .SetClaim(Claims.Name, found.UserName)
            .SetClaim(ApiKeys.IdClaim, found.Id)
            .SetClaim(ApiKeys.LimitClaim, found.Limit)
            .SetClaim(ApiKeys.DailyLimitClaim, found.DailyLimit)
            .SetClaim(ApiKeys.MonthlyLimitClaim, found.MonthlyLimit)
            .SetClaim(ApiKeys.ModelsClaim, found.Models is null ? null : string.Join(' ', found.Models))
            .SetClaim(ApiKeys.ScopesClaim, string.Join(' ', found.Scopes))
            .SetScopes(Tokens.UserScope)
            .SetAccessTokenLifetime(rest < TokenLifetime ? rest : TokenLifetime);
    }
}
