using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Transfers;

/// <summary>Refusals as problem details. <c>code</c> is the status's name, for programs.</summary>
internal static class LedgerProblems
{
    /// <summary>The answer to a refused transfer.</summary>
    public static ProblemHttpResult Of(Outcome outcome) => outcome.Status switch
    {
        TransferStatus.InsufficientTokens => Problem(
            StatusCodes.Status402PaymentRequired, "insufficient_tokens",
            $"Not enough tokens: the balance is {outcome.Balance.Tokens}."),
        TransferStatus.ExistsWithDifferentContent => Problem(
            StatusCodes.Status409Conflict, "exists_with_different_content",
            "This key was used before for a request with another content. Nothing was written."),
        TransferStatus.AlreadyRefunded => Problem(
            StatusCodes.Status409Conflict, "already_refunded", "This charge was refunded and cannot be made again."),
        TransferStatus.UnknownCharge => Problem(
            StatusCodes.Status404NotFound, "unknown_charge", "There is no such charge."),
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome.Status, "Not a refusal."),
    };

    /// <summary>The answer to an Idempotency-Key that cannot be used.</summary>
    public static ProblemHttpResult InvalidKey() => Problem(
        StatusCodes.Status400BadRequest, "invalid_idempotency_key",
        $"An {IdempotencyKey.Header} has 1 to {IdempotencyKey.MaxLength} visible ASCII characters.");

    private static ProblemHttpResult Problem(int status, string code, string detail) =>
        TypedResults.Problem(detail, statusCode: status, extensions: new Dictionary<string, object?> { ["code"] = code });
}
