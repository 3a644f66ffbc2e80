using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Transfers;

/// <summary>Refusals as problem details. <c>code</c> is the status's name, for programs.</summary>
internal static class LedgerProblems
{
    /// <summary>The answer to a refused transfer.</summary>
    public static ProblemHttpResult Of(Outcome outcome) => outcome.Status switch
    {
        TransferStatus.InsufficientTokens => Problems.Refusal(
            StatusCodes.Status402PaymentRequired, "insufficient_tokens",
            $"Not enough tokens: the balance is {outcome.Balance.Tokens}."),
        TransferStatus.ExistsWithDifferentContent => Problems.Refusal(
            StatusCodes.Status409Conflict, "exists_with_different_content",
            "This key was used before for a request with another content. Nothing was written."),
        TransferStatus.AlreadyRefunded => Problems.Refusal(
            StatusCodes.Status409Conflict, "already_refunded", "This charge was refunded and cannot be made again."),
        TransferStatus.UnknownCharge => Problems.Refusal(
            StatusCodes.Status404NotFound, "unknown_charge", "There is no such charge."),
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome.Status, "Not a refusal."),
    };
}
