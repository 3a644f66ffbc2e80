using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Ledger.Service.Accounts;

/// <summary>What users do with their own tokens.</summary>
internal static class TokensApi
{
    /// <summary>Maps <c>/api/tokens</c>.</summary>
    public static void MapTokens(this IEndpointRouteBuilder app)
    {
        var tokens = app.MapGroup("/api/tokens").WithTags("Tokens").RequireAuthorization(Tokens.TokensPolicy);
        tokens.MapGet("/", GetBalance).WithSummary("Get the balance");
        tokens.MapGet("/account", GetAccount).WithSummary("Get the account");
        tokens.MapPost("/deduct", Deduct).WithSummary("Deduct tokens").Refuses(
        [
            IdempotencyKey.Invalid(),
            .. LedgerProblems.Examples(
                HoldOutcome.InsufficientTokens, HoldOutcome.TokensHeld, HoldOutcome.KeyLimitReached,
                HoldOutcome.BudgetReached, HoldOutcome.ExistsWithDifferentContent, HoldOutcome.AccountClosed),
        ]);
    }

    /// <summary>The caller's balance. The first call opens the account.</summary>
    internal static async Task<Results<Ok<TokensResponse>, ProblemHttpResult>> GetBalance(
        ClaimsPrincipal user, AccountLedger ledger, CancellationToken cancellationToken) =>
        await ledger.GetBalanceAsync(user.GetUserId(), cancellationToken) is { } tokens
            ? TypedResults.Ok(new TokensResponse(tokens))
            : LedgerProblems.UnknownAccount();

    /// <summary>The caller's account, with what chats under way keep back. The first call opens the account.</summary>
    internal static async Task<Results<Ok<AccountResponse>, ProblemHttpResult>> GetAccount(
        ClaimsPrincipal user, AccountLedger ledger, TimeProvider clock, CancellationToken cancellationToken) =>
        await ledger.GetAccountAsync(user.GetUserId(), cancellationToken) is { } account
            ? TypedResults.Ok(new AccountResponse(
                account.Spendable.Tokens, account.Balance, account.Held, account.ClosedAt is not null,
                account.MonthlyBudget, account.SpentInMonth(clock)))
            : LedgerProblems.UnknownAccount();

    /// <summary>Spends some of the caller's tokens.</summary>
    internal static async Task<Results<Ok<TransferResponse>, ProblemHttpResult>> Deduct(
        DeductRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        TokenLedger ledger,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        var userId = user.GetUserId();
        var transfer = new TransferRequest(
            IdempotencyKey.ToTransferId(userId, "deduct", key),
            userId,
            request.Amount,
            TransferKind.Deduction,
            request.Reason,
            user.GetApiKey());
        return TransferResponse.Of(await ledger.MoveAsync(transfer, cancellationToken), response);
    }
}

/// <summary>A balance.</summary>
/// <param name="Tokens">Tokens left.</param>
/// <example>{"tokens":3900}</example>
internal sealed record TokensResponse(long Tokens);

/// <summary>An account.</summary>
/// <param name="Tokens">Tokens left to spend: the balance without what is held.</param>
/// <param name="Balance">Tokens, held ones included.</param>
/// <param name="Held">Tokens that chats under way keep back.</param>
/// <param name="Closed">Whether it is closed.</param>
/// <param name="MonthlyBudget">The most it may spend in a month of UTC, if there is a budget.</param>
/// <param name="ThisMonth">Tokens it has spent in this month, held ones included.</param>
/// <example>
/// {"tokens":3900,"balance":4000,"held":100,"closed":false,"monthly_budget":null,"this_month":100}
/// </example>
internal sealed record AccountResponse(
    long Tokens,
    long Balance,
    long Held,
    bool Closed,
    [property: JsonPropertyName("monthly_budget")] long? MonthlyBudget,
    [property: JsonPropertyName("this_month")] long ThisMonth);

/// <summary>Tokens to spend.</summary>
/// <param name="Amount">How many.</param>
/// <param name="Reason">What for.</param>
/// <example>{"amount":100,"reason":"a gift"}</example>
public sealed record DeductRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The amount must be 1 or more.")] long Amount,
    [Reason] string? Reason = null);

/// <summary>What users read: 200 characters at most, all of which Postgres can hold.</summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
internal sealed class ReasonAttribute : ValidationAttribute
{
    private const int MaxLength = 200;

    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) => value switch
    {
        string { Length: > MaxLength } => new($"The reason may have {MaxLength} characters at most."),
        string reason when reason.Contains('\0') => new("The reason must not hold a NUL character."),
        _ => ValidationResult.Success,
    };
}

/// <summary>A transfer that is written.</summary>
/// <param name="Tokens">Tokens left right after it.</param>
/// <param name="Transaction">Its name.</param>
/// <example>{"tokens":3800,"transaction":"018f3b1c-7a52-8c4e-9d10-6f2b8e5a4c37"}</example>
internal sealed record TransferResponse(long Tokens, Guid Transaction)
{
    /// <summary>The answer to a request that names its transfer: written now, or before.</summary>
    public static Results<Ok<TransferResponse>, ProblemHttpResult> Of(Outcome outcome, HttpResponse response)
    {
        if (outcome.Status is HoldOutcome.Exists)
        {
            response.Headers[IdempotencyKey.ReplayedHeader] = "true";
        }

        return outcome.Status is HoldOutcome.Created or HoldOutcome.Exists
            ? TypedResults.Ok(new TransferResponse(outcome.Tokens, outcome.Transfer))
            : LedgerProblems.Of(outcome);
    }
}
