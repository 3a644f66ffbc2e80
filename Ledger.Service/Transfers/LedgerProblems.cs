using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Transfers;

/// <summary>Refusals as problem details. <c>code</c> is the status's name, for programs.</summary>
internal static class LedgerProblems
{
    /// <summary>A status's name, such as <c>insufficient_tokens</c>.</summary>
    public static string Code(HoldOutcome status) => LedgerMetrics.Name(status);

    /// <summary>The answers to requests that are refused so, for the description of the API.</summary>
    /// <param name="statuses">Why they are.</param>
    public static IEnumerable<ProblemHttpResult> Examples(params IEnumerable<HoldOutcome> statuses) =>
        statuses.Select(status => Of(new Outcome(status, Guid.Empty, Amount: 100, Tokens: 50, Held: 100)));

    /// <summary>The answer about an account that nobody has.</summary>
    public static ProblemHttpResult UnknownAccount() => Of(new Outcome(HoldOutcome.UnknownAccount, Guid.Empty));

    /// <summary>The answer to a refused request.</summary>
    public static ProblemHttpResult Of(Outcome outcome)
    {
        return outcome.Status switch
        {
            HoldOutcome.InsufficientTokens =>
                Problems.InsufficientTokens(outcome.Amount, outcome.Tokens, outcome.Held),
            HoldOutcome.TokensHeld => Problems.TokensHeld(outcome.Amount, outcome.Tokens, outcome.Held),
            HoldOutcome.KeyLimitReached => Problems.KeyLimitReached(),
            HoldOutcome.BudgetReached => Problems.BudgetReached(),
            HoldOutcome.InvalidAmount => Refusal(400, "The amount must be 1 or more."),
            HoldOutcome.ExistsWithDifferentContent => Refusal(
                409, "This key was used before for a request with another content. Nothing was written."),
            HoldOutcome.UnknownAccount => Refusal(404, "There is no such user."),
            HoldOutcome.AccountClosed => Refusal(409, "This account is closed. Nothing was written."),
            HoldOutcome.BalanceTooLarge =>
                Refusal(409, "The account would have too many tokens. Nothing was written."),
            _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome.Status, "Not a refusal."),
        };

        ProblemHttpResult Refusal(int status, string detail) =>
            Problems.Refusal(status, Code(outcome.Status), detail);
    }
}
