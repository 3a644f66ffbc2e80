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
/// <param name="db">Knows the keys.</param>
internal sealed class ApiKeyGrant(IdentityDb db)
{
    /// <summary>How long a token of a key lives. The gateway asks for a new one every few seconds.</summary>
    public static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(1);

    /// <summary>What the token of a key says.</summary>
    /// <param name="key">What a caller sent as a key.</param>
    /// <param name="scheme">The authentication scheme.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The claims; null when the key is unknown or revoked.</returns>
    public async Task<ClaimsIdentity?> DescribeAsync(string? key, string scheme, CancellationToken cancellationToken)
    {
        if (!ApiKeys.IsWellFormed(key))
        {
            return null;
        }

        var hash = ApiKeys.Hash(key!);
        var found = await db.ApiKeys.Where(each => each.Hash == hash && each.RevokedAt == null)
            .Join(
                db.Users.Where(user => user.LeavingAt == null),
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
                    user.UserName,
                })
            .SingleOrDefaultAsync(cancellationToken);
        return found is null ? null : new ClaimsIdentity(scheme)
            .SetClaim(Claims.Subject, found.UserId.ToString(CultureInfo.InvariantCulture))
            .SetClaim(Claims.Name, found.UserName)
            .SetClaim(ApiKeys.IdClaim, found.Id)
            .SetClaim(ApiKeys.LimitClaim, found.Limit)
            .SetClaim(ApiKeys.DailyLimitClaim, found.DailyLimit)
            .SetClaim(ApiKeys.MonthlyLimitClaim, found.MonthlyLimit)
            .SetClaim(ApiKeys.ModelsClaim, found.Models is null ? null : string.Join(' ', found.Models))
            .SetScopes(Tokens.UserScope)
            .SetAccessTokenLifetime(TokenLifetime);
    }
}
