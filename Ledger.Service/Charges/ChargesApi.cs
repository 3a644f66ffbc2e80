using System.ComponentModel.DataAnnotations;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Charges;

/// <summary>
/// What Chat.Service does: charge an account and give a charge back. All are PUTs that name what they write, so that a
/// call whose answer was lost can simply be made again.
/// </summary>
internal static class ChargesApi
{
    /// <summary>Maps <c>/charges</c>, for services only. The gateway has no route to it.</summary>
    public static void MapCharges(this IEndpointRouteBuilder app)
    {
        var charges = app.MapGroup("/charges").WithTags("Charges").RequireAuthorization(Tokens.LedgerPolicy);
        charges.MapGet("/", List);
        charges.MapPut("/{id:guid}", Charge);
        charges.MapPut("/{id:guid}/void", Void);
        charges.MapPut("/{id:guid}/refund", Refund);
        charges.MapPut("/{id:guid}/refunds/{refund:guid}", RefundPart);
    }

    /// <summary>
    /// Charges of a time of which something is not given back, in the order of their time: those of the time
    /// <c>from</c> with a greater id than <c>after</c>, and later ones. The last page is empty.
    /// </summary>
    private static async Task<Ok<List<OpenCharge>>> List(
        DateTimeOffset from, DateTimeOffset to, Guid after, LedgerReader ledger, CancellationToken cancellationToken) =>
        TypedResults.Ok(await ledger.OpenChargesAsync(from, to, after, cancellationToken));

    /// <summary>201 when charged now, 200 when it was charged before.</summary>
    private static async Task<Results<Created<ChargeResponse>, Ok<ChargeResponse>, ProblemHttpResult>> Charge(
        Guid id, ChargeRequest request, TokenLedger ledger, TimeProvider clock, CancellationToken cancellationToken)
    {
        var transfer = new TransferRequest(
            id,
            request.User,
            request.Amount,
            TransferKind.Charge,
            Fingerprint: request.Fingerprint,
            Key: KeyUse.Now(request.Key, clock),
            Origin: request.Origin);
        return Answer(await ledger.DebitAsync(transfer, cancellationToken), $"/charges/{id}");
    }

    /// <summary>
    /// 204 when there is no charge of that name, and can be none from now on; 200 with the charge when there is one,
    /// given back or not.
    /// </summary>
    private static async Task<Results<NoContent, Ok<ChargeResponse>>> Void(
        Guid id, TokenLedger ledger, CancellationToken cancellationToken) =>
        await ledger.VoidAsync(id, cancellationToken) is { } charge
            ? TypedResults.Ok(new ChargeResponse(charge.BalanceAfter, charge.Origin))
            : TypedResults.NoContent();

    /// <summary>200 when all that was left of the charge is given back, now or before.</summary>
    private static async Task<Results<Ok<ChargeResponse>, ProblemHttpResult>> Refund(
        Guid id, TokenLedger ledger, CancellationToken cancellationToken)
    {
        var outcome = await ledger.RefundAsync(id, cancellationToken);
        return outcome.Status is TransferStatus.Created or TransferStatus.Exists
            ? TypedResults.Ok(new ChargeResponse(outcome.Balance.Tokens))
            : LedgerProblems.Of(outcome);
    }

    /// <summary>201 when a part of the charge is given back now, 200 when this refund was written before.</summary>
    private static async Task<Results<Created<ChargeResponse>, Ok<ChargeResponse>, ProblemHttpResult>> RefundPart(
        Guid id, Guid refund, RefundPartRequest request, TokenLedger ledger, CancellationToken cancellationToken) =>
        Answer(
            await ledger.RefundAsync(new RefundRequest(id, refund, request.Amount), cancellationToken),
            $"/charges/{id}/refunds/{refund}");

    private static Results<Created<ChargeResponse>, Ok<ChargeResponse>, ProblemHttpResult> Answer(
        Outcome outcome, string location)
    {
        var response = new ChargeResponse(outcome.Balance.Tokens, outcome.Origin);
        return outcome.Status switch
        {
            TransferStatus.Created => TypedResults.Created(location, response),
            TransferStatus.Exists => TypedResults.Ok(response),
            _ => LedgerProblems.Of(outcome),
        };
    }
}

/// <summary>A charge.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="User">The account.</param>
/// <param name="Amount">Tokens.</param>
/// <param name="Fingerprint">What it is for; the same charge with another fingerprint is refused.</param>
/// <param name="Key">The API key with which the user asked for it, if any.</param>
/// <param name="Origin">
/// Which of several requests with its name this is; the answer tells which of them has made the charge.
/// </param>
public sealed record ChargeRequest(
    [Range(1, long.MaxValue)] long User,
    [Range(1, long.MaxValue)] long Amount,
    [Required, StringLength(200)] string Fingerprint,
    UsedApiKey? Key = null,
    Guid? Origin = null);

/// <summary>A part of a charge to give back.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Amount">Tokens.</param>
public sealed record RefundPartRequest([Range(1, long.MaxValue)] long Amount);

/// <summary>The outcome of a charge or refund.</summary>
/// <param name="Balance">Tokens left right after it.</param>
/// <param name="Origin">Which of several requests with its name has made the charge, if known.</param>
internal sealed record ChargeResponse(long Balance, Guid? Origin = null);
