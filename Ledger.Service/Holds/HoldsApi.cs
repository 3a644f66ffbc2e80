using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Ledger.Service.Holds;

/// <summary>
/// What Chat.Service does with others' accounts. Every call may be made again: a hold has its holder, and a capture or
/// release of what is settled finds it so.
/// </summary>
internal static class HoldsApi
{
    private const int MaxPage = 1_000;

    /// <summary>Maps <c>/holds</c>, for services only. The gateway has no route to it.</summary>
    public static void MapHolds(this IEndpointRouteBuilder app)
    {
        var holds = app.MapGroup("/holds").ExcludeFromDescription().RequireAuthorization(Tokens.LedgerPolicy);
        holds.MapPost("/batch", CarryOut);
        holds.MapPost("/renewal", Renew).WithMetadata(new RequestSizeLimitAttribute(HoldRenewal.MaxBytes));
        holds.MapGet("/", List);
    }

    /// <summary>Carries out items in their order, in one commit.</summary>
    private static async Task<Ok<IReadOnlyList<HoldResult>>> CarryOut(
        HoldBatch batch, TokenLedger ledger, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ledger.CarryOutAsync(batch.Items, cancellationToken));

    /// <summary>Says that holds are still worked on. The answer names those that are gone.</summary>
    private static async Task<Ok<List<HoldName>>> Renew(
        HoldRenewal renewal, HoldLedger holds, CancellationToken cancellationToken) =>
        TypedResults.Ok(await holds.RenewAsync(renewal.Holds, cancellationToken));

    /// <summary>Open holds, in pages: of an account, or those that nobody has renewed for a time.</summary>
    private static async Task<Ok<List<OpenHold>>> List(
        HoldLedger holds,
        long? account = null,
        TimeSpan? notRenewedFor = null,
        long afterAccount = 0,
        Guid? after = null,
        CancellationToken cancellationToken = default) => TypedResults.Ok(await holds.OpenAsync(
            account, notRenewedFor ?? TimeSpan.Zero, new HoldName(afterAccount, after ?? Guid.Empty), MaxPage,
            cancellationToken));
}
