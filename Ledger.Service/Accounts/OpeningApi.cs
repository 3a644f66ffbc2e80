using System.ComponentModel.DataAnnotations;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Accounts;

/// <summary>What Identity.Service does with the accounts of users who come from another system.</summary>
internal static class OpeningApi
{
    /// <summary>Maps <c>/accounts/{user}/opening</c>, for services only. The gateway has no route to it.</summary>
    public static void MapOpening(this IEndpointRouteBuilder app) => app.MapGroup("/accounts")
        .WithTags("Accounts").RequireAuthorization(Tokens.AccountsPolicy).MapPut("/{user:long:min(1)}/opening", Open);

    /// <summary>
    /// Opens an account with the tokens that its user brings along, before the user can come and have it opened with
    /// those of a new one. Again with the same number it changes nothing; with another one it is refused.
    /// </summary>
    private static async Task<Results<Created, Ok, ProblemHttpResult>> Open(
        long user, OpeningRequest request, TokenLedger ledger, CancellationToken cancellationToken)
    {
        var outcome = await ledger.OpenAsync(user, request.Amount!.Value, cancellationToken);
        return outcome.Status switch
        {
            TransferStatus.Created => TypedResults.Created((string?)null),
            TransferStatus.Exists => TypedResults.Ok(),
            _ => Problems.Refusal(
                StatusCodes.Status409Conflict, LedgerProblems.Code(outcome.Status),
                "This account was opened before with another number of tokens. Nothing was written."),
        };
    }
}

/// <summary>Tokens to open an account with.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Amount">How many.</param>
public sealed record OpeningRequest(
    [Required(ErrorMessage = "Send the 'amount' of tokens, 0 or more.")]
    [Range(0, Balance.Max, ErrorMessage = "The amount must be 0 or more, and less than 2^53.")]
    long? Amount);
