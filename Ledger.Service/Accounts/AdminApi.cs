using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Ledger.Service.Accounts;

/// <summary>What administrators do with others' accounts.</summary>
internal static class AdminApi
{
    /// <summary>Maps <c>/api/tokens/credit</c>, <c>close</c> and <c>budget</c>.</summary>
    public static void MapAdmin(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/api/tokens").WithTags("Administration").RequireAuthorization(Tokens.AdminPolicy)
            .AddEndpointFilter(RefuseThoseWhoHaveLeft).Refuses(Closed());
        admin.MapPost("/credit", Credit).Refuses(
        [
            IdempotencyKey.Invalid(),
            .. LedgerProblems.Examples(
                HoldOutcome.UnknownAccount, HoldOutcome.ExistsWithDifferentContent,
                HoldOutcome.AccountClosed, HoldOutcome.BalanceTooLarge),
        ]);
        admin.MapPost("/close", Close).Refuses(LedgerProblems.Examples(HoldOutcome.UnknownAccount));
        admin.MapPut("/budget", SetBudget).Refuses(LedgerProblems.Examples(HoldOutcome.UnknownAccount));
    }

    /// <summary>
    /// An access token lives on for a while after its user has been deleted, but the account is closed at once.
    /// </summary>
    private static async ValueTask<object?> RefuseThoseWhoHaveLeft(
        EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        var account = await http.RequestServices.GetRequiredService<AccountLedger>()
            .FindAsync(http.User.GetUserId(), http.RequestAborted);
        return account is { ClosedAt: not null }
            ? Closed()
            : await next(context);
    }

    private static ProblemHttpResult Closed() =>
        Problems.Refusal(StatusCodes.Status403Forbidden, "account_closed", "Your own account is closed.");

    /// <summary>Gives tokens to a user.</summary>
    internal static async Task<Results<Ok<TransferResponse>, ProblemHttpResult>> Credit(
        CreditRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal admin,
        TokenLedger ledger,
        HttpResponse response,
        ILogger<CreditRequest> logger,
        CancellationToken cancellationToken)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        var id = IdempotencyKey.ToTransferId(admin.GetUserId(), "credit", key);
        var transfer = new TransferRequest(id, request.User, request.Amount, TransferKind.Credit, request.Reason);
        var outcome = await ledger.MoveAsync(transfer, cancellationToken);
        logger.LogInformation(
            "Administrator {Admin} credits {Amount} tokens to {User}: {Status}",
            admin.GetUserId(), request.Amount, request.User, outcome.Status);
        return TransferResponse.Of(outcome, response);
    }

    /// <summary>Closes an account. Closing a closed one changes nothing.</summary>
    internal static async Task<Results<Ok<TokensResponse>, ProblemHttpResult>> Close(
        CloseRequest request,
        ClaimsPrincipal admin,
        AccountLedger ledger,
        ILogger<CloseRequest> logger,
        CancellationToken cancellationToken)
    {
        var tokens = await ledger.CloseAsync(request.User, cancellationToken);
        logger.LogInformation("Administrator {Admin} closes the account of {User}", admin.GetUserId(), request.User);
        return tokens is { } kept
            ? TypedResults.Ok(new TokensResponse(kept))
            : LedgerProblems.UnknownAccount();
    }

    /// <summary>Sets what a user may spend in a month; null is no budget any more.</summary>
    /// <remarks>It counts from the first of the month (UTC), whenever it is set.</remarks>
    internal static async Task<Results<Ok<BudgetResponse>, ProblemHttpResult>> SetBudget(
        BudgetRequest request,
        ClaimsPrincipal admin,
        AccountLedger ledger,
        TimeProvider clock,
        ILogger<BudgetRequest> logger,
        CancellationToken cancellationToken)
    {
        var account = await ledger.SetBudgetAsync(request.User, request.MonthlyBudget, cancellationToken);
        logger.LogInformation(
            "Administrator {Admin} sets the budget of {User} to {Budget}",
            admin.GetUserId(), request.User, request.MonthlyBudget);
        return account is not null
            ? TypedResults.Ok(new BudgetResponse(account.MonthlyBudget, account.SpentInMonth(clock)))
            : LedgerProblems.UnknownAccount();
    }
}

/// <summary>What a user may spend.</summary>
/// <param name="User">Who.</param>
/// <param name="MonthlyBudget">The most tokens in a month of UTC; null for no budget.</param>
/// <example>{"user":2,"monthly_budget":100000}</example>
public sealed record BudgetRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The user is a number, 1 or more.")] long User,
    [Range(0, Balance.Max, ErrorMessage = "The budget must be 0 or more, and less than 2^53; null for none.")]
    [property: JsonPropertyName("monthly_budget"), JsonRequired]
    long? MonthlyBudget);

/// <summary>What a user may spend, and has spent.</summary>
/// <param name="MonthlyBudget">The most tokens in a month of UTC; null for no budget.</param>
/// <param name="ThisMonth">Tokens spent in this month, held ones included.</param>
/// <example>{"monthly_budget":100000,"this_month":2300}</example>
internal sealed record BudgetResponse(
    [property: JsonPropertyName("monthly_budget")] long? MonthlyBudget,
    [property: JsonPropertyName("this_month")] long ThisMonth);

/// <summary>Tokens to give.</summary>
/// <param name="User">Who gets them.</param>
/// <param name="Amount">How many.</param>
/// <param name="Reason">What for; the user sees it.</param>
/// <example>{"user":2,"amount":500,"reason":"a gift"}</example>
public sealed record CreditRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The user is a number, 1 or more.")] long User,
    [Range(1, Balance.Max, ErrorMessage = "The amount must be 1 or more, and less than 2^53.")] long Amount,
    [Required(ErrorMessage = "Say what the tokens are for: the user sees the reason."), Reason] string Reason);

/// <summary>An account to close.</summary>
/// <param name="User">Whose.</param>
/// <example>{"user":2}</example>
public sealed record CloseRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The user is a number, 1 or more.")] long User);
