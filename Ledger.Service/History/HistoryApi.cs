using System.ComponentModel.DataAnnotations;
using System.Net.Mime;
using System.Security.Claims;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace Ledger.Service.History;

/// <summary>The caller's own ledger entries, as JSON or CSV.</summary>
internal static class HistoryApi
{
    private const string Path = "/api/tokens/history";
    private const int MaxPage = 1_000;

    private const string Example = """
        number,transaction,kind,amount,balance,charge,reason,timestamp,key
        2,018f3b1c-7a52-8c4e-9d10-6f2b8e5a4c37,deduction,-100,3900,,a gift,2025-01-06T12:34:56.7890000Z,

        """;

    /// <summary>Maps <c>/api/tokens/history</c>.</summary>
    public static void MapHistory(this IEndpointRouteBuilder app) =>
        app.MapGet(Path, List).WithSummary("List ledger entries").WithTags("Tokens")
            .RequireAuthorization(Tokens.TokensPolicy)
            .Produces<List<HistoryEntry>>()
            .Gives(MediaTypeNames.Text.Csv, Example);

    /// <summary>The caller's ledger entries, newest first, as JSON or CSV.</summary>
    /// <param name="user">The caller.</param>
    /// <param name="db">Where they are.</param>
    /// <param name="ledger">Opens the account.</param>
    /// <param name="context">The request, and the answer, which gets the link to the next page.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="before">The number of the last entry of the page before.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<IResult> List(
        ClaimsPrincipal user,
        LedgerDb db,
        AccountLedger ledger,
        HttpContext context,
        [Range(1, MaxPage, ErrorMessage = "limit must be 1 to 1000.")] int limit = 100,
        [Range(1, long.MaxValue, ErrorMessage = "before must be an entry's number.")] long before = long.MaxValue,
        CancellationToken cancellationToken = default)
    {
        var account = user.GetUserId();
        if (await ledger.GetBalanceAsync(account, cancellationToken) is null)
        {
            return LedgerProblems.UnknownAccount();
        }

        var page = await db.Transfers.AsNoTracking()
            .Where(transfer => transfer.Account == account && transfer.Version < before)
            .OrderByDescending(transfer => transfer.Version)
            .Take(limit + 1)
            .ToListAsync(cancellationToken);
        if (page.Count > limit)
        {
            page.RemoveAt(limit);
            context.Response.Headers.Link =
                $"<{Path}?limit={limit}&before={page[^1].Version}>; rel=\"next\"";
        }

        var entries = page.Select(HistoryEntry.Of).ToList();
        context.Response.Headers.Vary = HeaderNames.Accept;
        return context.Request.WantsCsv() ? await Csv.CsvOfAsync(entries) : TypedResults.Ok(entries);
    }
}

/// <summary>One change of a balance.</summary>
/// <param name="Number">Which of the account's changes it is, from 1 on.</param>
/// <param name="Transaction">The transfer's name.</param>
/// <param name="Kind">opening, charge, deduction, credit or adjustment.</param>
/// <param name="Amount">Tokens: positive when the account got them, negative when it gave them.</param>
/// <param name="Balance">Tokens left right after it.</param>
/// <param name="Charge">Always null: what is not spent is released, and no charge is given back.</param>
/// <param name="Reason">What for, as far as somebody said.</param>
/// <param name="Timestamp">When, in UTC.</param>
/// <param name="Key">The number of the API key with which it was made.</param>
/// <example>
/// {"number":2,"transaction":"018f3b1c-7a52-8c4e-9d10-6f2b8e5a4c37","kind":"deduction","amount":-100,"balance":3900,
/// "charge":null,"reason":"a gift","timestamp":"2025-01-06T12:34:56.789Z","key":null}
/// </example>
internal sealed record HistoryEntry(
    long Number,
    Guid Transaction,
    string Kind,
    long Amount,
    long Balance,
    Guid? Charge,
    string? Reason,
    DateTime Timestamp,
    long? Key)
{
    /// <summary>What a user sees of a transfer.</summary>
    public static HistoryEntry Of(Transfer transfer) => new(
        transfer.Version, transfer.Id, LedgerMetrics.Name(transfer.Kind), transfer.Amount, transfer.BalanceAfter,
        Charge: null, transfer.Reason, transfer.CreatedAt.UtcDateTime, transfer.KeyId);
}
