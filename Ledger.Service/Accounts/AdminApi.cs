using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Serialization;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Ledger.Service.Accounts;

/// <summary>What administrators do with others' accounts.</summary>
internal static class AdminApi
{
    /// <summary>Maps <c>/api/tokens/credit</c>, <c>adjust</c>, <c>close</c>, <c>reopen</c> and <c>budget</c>.</summary>
    public static void MapAdmin(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/api/tokens").WithTags("Administration").RequireAuthorization(Tokens.AdminPolicy)
            .AddEndpointFilter(RefuseThoseWhoHaveLeft).AddEndpointFilter(AuditAsync).Refuses(Closed());
        admin.MapPost("/credit", Credit).WithSummary("Give tokens").Refuses(
        [
            IdempotencyKey.Invalid(),
            .. LedgerProblems.Examples(
                HoldOutcome.UnknownAccount, HoldOutcome.ExistsWithDifferentContent,
                HoldOutcome.AccountClosed, HoldOutcome.BalanceTooLarge),
        ]);
        admin.MapPost("/adjust", Adjust).WithSummary("Adjust a balance").Refuses(
        [
            IdempotencyKey.Invalid(), ZeroAdjustment(),
            .. LedgerProblems.Examples(
                HoldOutcome.UnknownAccount, HoldOutcome.ExistsWithDifferentContent, HoldOutcome.AccountClosed,
                HoldOutcome.BalanceTooLarge),
            TooLargeAdjustment(new(HoldOutcome.InsufficientTokens, Guid.Empty, Tokens: 3000, Held: 100)),
            TooLargeAdjustment(new(HoldOutcome.TokensHeld, Guid.Empty, Tokens: 3000, Held: 100)),
        ]);
        admin.MapPost("/reopen", Reopen).WithSummary("Reopen an account")
            .Refuses(LedgerProblems.Examples(HoldOutcome.UnknownAccount));
        admin.MapPost("/close", Close).WithSummary("Close an account")
            .Refuses(LedgerProblems.Examples(HoldOutcome.UnknownAccount));
        admin.MapPut("/budget", SetBudget).WithSummary("Set a budget")
            .Refuses(LedgerProblems.Examples(HoldOutcome.UnknownAccount));
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

    /// <summary>
    /// Writes into the audit log of Identity.Service what an administrator is about to do; without that it is not done.
    /// </summary>
    private static async ValueTask<object?> AuditAsync(
        EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var (http, request) = (context.HttpContext, context.Arguments.OfType<IAdministration>().Single());
        await http.RequestServices.GetRequiredService<Openings>().AuditAsync(
            new AuditRequest(
                http.User.GetUserId(), request.User, $"tokens_{Name(http.GetEndpoint())}",
                $"{JsonSerializer.Serialize<object>(request, JsonSerializerOptions.Web)} {
                    http.Request.Headers[IdempotencyKey.Header]}".TrimEnd(),
                http.Request.Headers["X-Forwarded-For"].ToString()), // Which the gateway writes.
            http.RequestAborted);
        return await next(context);
    }

    /// <summary>The last part of the route, which is the same however the caller writes the path.</summary>
    private static string Name(Endpoint? endpoint) => ((RouteEndpoint)endpoint!).RoutePattern.RawText!.Split('/')[^1];

    /// <summary>Gives tokens to a user.</summary>
    internal static Task<Results<Ok<TransferResponse>, ProblemHttpResult>> Credit(
        CreditRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal admin,
        TokenLedger ledger,
        HttpResponse response,
        CancellationToken cancellationToken) => MoveAsync(
            "credit", request.User, request.Amount, request.Reason, key, admin, ledger, response, cancellationToken);

    /// <summary>Gives tokens to a user, or takes some back where the amount is negative.</summary>
    /// <remarks>What is taken counts for no limit or budget. What chats under way hold stays.</remarks>
    internal static async Task<Results<Ok<TransferResponse>, ProblemHttpResult>> Adjust(
        AdjustmentRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal admin,
        TokenLedger ledger,
        HttpResponse response,
        CancellationToken cancellationToken) => request.Amount == 0
            ? ZeroAdjustment()
            : await MoveAsync(
                "adjust", request.User, request.Amount, request.Reason, key, admin, ledger, response,
                cancellationToken);

    private static async Task<Results<Ok<TransferResponse>, ProblemHttpResult>> MoveAsync(
        string action,
        long user,
        long amount,
        string reason,
        string? key,
        ClaimsPrincipal admin,
        TokenLedger ledger,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        var id = IdempotencyKey.ToTransferId(admin.GetUserId(), action, key);
        var kind = amount > 0 ? TransferKind.Credit : TransferKind.Adjustment;
        var request = new TransferRequest(id, user, Math.Abs(amount), kind, reason);
        var outcome = await ledger.MoveAsync(request, cancellationToken);
        return outcome.Status is HoldOutcome.InsufficientTokens or HoldOutcome.TokensHeld
            ? TooLargeAdjustment(outcome)
            : TransferResponse.Of(outcome, response);
    }

    private static ProblemHttpResult TooLargeAdjustment(Outcome outcome) => Problems.Refusal(
        StatusCodes.Status409Conflict, LedgerProblems.Code(outcome.Status),
        $"{outcome.Tokens} tokens of this account can be taken; chats under way hold {outcome.Held} more. "
            + "Nothing was written.");

    private static ProblemHttpResult ZeroAdjustment() =>
        Problems.Refusal(StatusCodes.Status400BadRequest, "invalid_amount", "The amount must not be 0.");

    /// <summary>Closes an account. Closing a closed one changes nothing.</summary>
    internal static async Task<Results<Ok<TokensResponse>, ProblemHttpResult>> Close(
        CloseRequest request,
        AccountLedger ledger,
        CancellationToken cancellationToken) =>
        await ledger.CloseAsync(request.User, cancellationToken) is { } kept
            ? TypedResults.Ok(new TokensResponse(kept))
            : LedgerProblems.UnknownAccount();

    /// <summary>Opens a closed account again. Opening an open one changes nothing.</summary>
    /// <remarks>The account of a user who has left stays closed.</remarks>
    internal static async Task<Results<Ok<TokensResponse>, ProblemHttpResult>> Reopen(
        CloseRequest request, AccountLedger ledger, CancellationToken cancellationToken) =>
        await ledger.ReopenAsync(request.User, cancellationToken) is { } tokens
            ? TypedResults.Ok(new TokensResponse(tokens))
            : LedgerProblems.UnknownAccount();

    /// <summary>Sets what a user may spend in a month; null is no budget any more.</summary>
    /// <remarks>It counts from the first of the month (UTC), whenever it is set.</remarks>
    internal static async Task<Results<Ok<BudgetResponse>, ProblemHttpResult>> SetBudget(
        BudgetRequest request,
        AccountLedger ledger,
        TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var account = await ledger.SetBudgetAsync(request.User, request.MonthlyBudget, cancellationToken);
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
    long? MonthlyBudget) : IAdministration;

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
    [Required(ErrorMessage = "Say what the tokens are for: the user sees the reason."), Reason] string Reason)
    : IAdministration;

/// <summary>Tokens to give or to take back.</summary>
/// <param name="User">Who gets or loses them.</param>
/// <param name="Amount">How many: negative to take them.</param>
/// <param name="Reason">What for; the user sees it.</param>
/// <example>{"user":2,"amount":-50,"reason":"given by mistake"}</example>
public sealed record AdjustmentRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The user is a number, 1 or more.")] long User,
    [Range(-Balance.Max, Balance.Max, ErrorMessage = "The amount must be less than 2^53.")] long Amount,
    [Required(ErrorMessage = "Say what the change is for: the user sees the reason."), Reason] string Reason)
    : IAdministration;

/// <summary>Something that is done to a user.</summary>
public interface IAdministration
{
    /// <summary>To whom.</summary>
    long User { get; }
}

/// <summary>An account to close, or to open again.</summary>
/// <param name="User">Whose.</param>
/// <example>{"user":2}</example>
public sealed record CloseRequest(
    [Range(1, long.MaxValue, ErrorMessage = "The user is a number, 1 or more.")] long User) : IAdministration;
