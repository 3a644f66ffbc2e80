using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Transfers;

/// <summary>Refusals as problem details. <c>code</c> is the status's name, for programs.</summary>
internal static class LedgerProblems
{
    private static readonly Dictionary<TransferStatus, string> Codes = Enum.GetValues<TransferStatus>()
        .ToDictionary(status => status, status => JsonNamingPolicy.SnakeCaseLower.ConvertName($"{status}"));

    /// <summary>A status's name, such as <c>insufficient_tokens</c>.</summary>
    public static string Code(TransferStatus status) => Codes[status];

    /// <summary>The answers to requests that are refused so, for the description of the API.</summary>
    /// <param name="statuses">Why they are.</param>
    public static IEnumerable<ProblemHttpResult> Examples(params IEnumerable<TransferStatus> statuses) =>
        statuses.Select(status => Of(new Outcome(status, Guid.Empty, Amount: 100, Tokens: 50, Held: 100)));

    /// <summary>The answer about an account that nobody has.</summary>
    public static ProblemHttpResult UnknownAccount() => Of(new Outcome(TransferStatus.UnknownAccount, Guid.Empty));

    /// <summary>The answer to a refused request.</summary>
    public static ProblemHttpResult Of(Outcome outcome)
    {
        if (outcome.Status is TransferStatus.InsufficientTokens)
        {
            return Problems.InsufficientTokens(outcome.Amount, outcome.Tokens, outcome.Held);
        }

        if (outcome.Status is TransferStatus.TokensHeld)
        {
            return Problems.TokensHeld(outcome.Amount, outcome.Tokens, outcome.Held);
        }

        var (status, detail) = outcome.Status switch
        {
            TransferStatus.InvalidAmount => (StatusCodes.Status400BadRequest, "The amount must be 1 or more."),
            TransferStatus.ExistsWithDifferentContent => (
                StatusCodes.Status409Conflict,
                "This key was used before for a request with another content. Nothing was written."),
            TransferStatus.UnknownAccount => (
                StatusCodes.Status404NotFound, "There is no such user."),
            TransferStatus.AccountClosed => (
                StatusCodes.Status409Conflict, "This account is closed. Nothing was written."),
            TransferStatus.KeyLimitReached => (
                StatusCodes.Status402PaymentRequired,
                "This API key may not spend that much more, in total or today (UTC). Nothing was written."),
            TransferStatus.BalanceTooLarge => (
                StatusCodes.Status409Conflict, "The account would have too many tokens. Nothing was written."),
            _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome.Status, "Not a refusal."),
        };
        return Problems.Refusal(status, Code(outcome.Status), detail);
    }
}
