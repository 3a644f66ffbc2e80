using System.Security.Claims;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Ledger.Service.Keys;

/// <summary>What the caller's API keys have spent.</summary>
internal static class KeysApi
{
    private const int MaxKeys = 1_000;

    /// <summary>Maps <c>/api/tokens/keys</c>.</summary>
    public static void MapKeys(this IEndpointRouteBuilder app) =>
        app.MapGet("/api/tokens/keys", List).WithSummary("List what API keys have spent")
            .WithTags("Tokens").RequireAuthorization(Tokens.TokensPolicy);

    /// <summary>What each of the caller's API keys has spent, the latest key first.</summary>
    /// <remarks>Those that have spent something. A key sees itself alone.</remarks>
    internal static async Task<Ok<List<KeySpendingResponse>>> List(
        ClaimsPrincipal user, LedgerDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        var (account, key, day) = (user.GetUserId(), user.GetApiKey()?.Id, clock.UtcDay());
        var month = day.AddDays(1 - day.Day);
        return TypedResults.Ok(await db.KeySpending.AsNoTracking()
            .Where(spent => spent.Account == account && (key == null || spent.KeyId == key))
            .OrderByDescending(spent => spent.KeyId)
            .Take(MaxKeys)
            .Select(spent => new KeySpendingResponse(
                spent.KeyId, spent.Total, spent.Day >= day ? spent.Today : 0, spent.Day >= month ? spent.ThisMonth : 0))
            .ToListAsync(cancellationToken));
    }
}

/// <summary>What a key has spent.</summary>
/// <param name="Key">The key's number.</param>
/// <param name="Total">Tokens it has ever spent, without those given back.</param>
/// <param name="Today">Those of this day of UTC.</param>
/// <param name="ThisMonth">Those of this month of UTC.</param>
/// <example>{"key":1,"total":700,"today":100,"this_month":300}</example>
internal sealed record KeySpendingResponse(
    long Key, long Total, long Today, [property: JsonPropertyName("this_month")] long ThisMonth);
