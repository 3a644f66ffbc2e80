using System.Globalization;
using Microsoft.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore.Models;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>
/// Refresh tokens of one login: OpenIddict's authorizations. Changed by single statements, because OpenIddict's own
/// calls answer "no" both when another request was faster and when the database is away.
/// </summary>
/// <param name="db">Where they are.</param>
/// <param name="clock">The time.</param>
internal sealed class Families(IdentityDb db, TimeProvider clock)
{
    /// <summary>Ends a family: none of its tokens works from now on, nor any that is being added.</summary>
    /// <param name="id">The family.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether it lived.</returns>
    public async Task<bool> EndAsync(string? id, CancellationToken cancellationToken)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var key))
        {
            return false;
        }

        return await db.Set<OpenIddictEntityFrameworkCoreAuthorization<long>>()
            .Where(family => family.Id == key && family.Status == Statuses.Valid)
            .ExecuteUpdateAsync(
                set => set.SetProperty(family => family.Status, Statuses.Revoked)
                    .SetProperty(family => family.ConcurrencyToken, Guid.NewGuid().ToString()),
                cancellationToken) == 1;
    }

    /// <summary>Marks a token as used.</summary>
    /// <param name="id">The token.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False when it was used or revoked before.</returns>
    public async Task<bool> RedeemAsync(string id, CancellationToken cancellationToken)
    {
        var key = long.Parse(id, NumberStyles.None, CultureInfo.InvariantCulture);
        var now = clock.GetUtcNow().UtcDateTime;
        return await db.Set<OpenIddictEntityFrameworkCoreToken<long>>()
            .Where(token => token.Id == key && token.Status == Statuses.Valid)
            .ExecuteUpdateAsync(
                set => set.SetProperty(token => token.Status, Statuses.Redeemed)
                    .SetProperty(token => token.RedemptionDate, now)
                    .SetProperty(token => token.ConcurrencyToken, Guid.NewGuid().ToString()),
                cancellationToken) == 1;
    }
}
