using System.ComponentModel.DataAnnotations;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Accounts;

/// <summary>What Identity.Service does with the accounts of users who come from elsewhere, and who leave.</summary>
internal static class AccountsApi
{
    /// <summary>Maps <c>/accounts/{user}</c>, for services only. The gateway has no route to it.</summary>
    public static void MapAccounts(this IEndpointRouteBuilder app)
    {
        var account = app.MapGroup("/accounts/{user:long:min(1)}")
            .WithTags("Accounts").RequireAuthorization(Tokens.AccountsPolicy);
        account.MapPut("/opening", Open);
        account.MapPut("/closed", Close);
    }

    /// <summary>
    /// Opens an account with the credits that its user brings along, before the user can come and have it opened with
    /// those of a new one. Again with the same number it changes nothing; with another one it is refused.
    /// </summary>
    private static async Task<Results<Created, Ok, ProblemHttpResult>> Open(
        long user, OpeningRequest request, AccountLedger ledger, CancellationToken cancellationToken)
    {
        var status = await ledger.OpenAsync(user, request.Amount!.Value, cancellationToken);
        return status switch
        {
            HoldOutcome.Created => TypedResults.Created((string?)null),
            HoldOutcome.Exists => TypedResults.Ok(),
            _ => Problems.Refusal(
                StatusCodes.Status409Conflict, LedgerProblems.Code(status),
                "This account was opened before with another number of tokens. Nothing was written."),
        };
    }

    /// <summary>
    /// Closes an account. One that is not open yet is opened first, with nothing in it: a request of the user that is
    /// under way would open it.
    /// </summary>
    private static async Task<NoContent> Close(
        long user, AccountLedger ledger, ILogger<AccountLedger> logger, CancellationToken cancellationToken)
    {
        await ledger.OpenAsync(user, credits: 0, cancellationToken);
        await ledger.CloseAsync(user, cancellationToken);
        logger.LogInformation("The account of {User} is closed, who has left", user);
        return TypedResults.NoContent();
    }
}

/// <summary>Credits to open an account with.</summary>
/// <param name="Amount">How many.</param>
public sealed record OpeningRequest(
    [Required(ErrorMessage = "Send the 'amount' of tokens, 0 or more.")]
    [Range(0, Balance.Max, ErrorMessage = "The amount must be 0 or more, and less than 2^53.")]
    long? Amount);
