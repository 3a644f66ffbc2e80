using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Accounts;

/// <summary>What Identity.Service does with the accounts of users who leave.</summary>
internal static class AccountsApi
{
    /// <summary>Maps <c>/accounts/{user}</c>, for services only. The gateway has no route to it.</summary>
    public static void MapAccounts(this IEndpointRouteBuilder app)
    {
        var account = app.MapGroup("/accounts/{user:long:min(1)}")
            .WithTags("Accounts").RequireAuthorization(Tokens.AccountsPolicy);
        account.MapPut("/closed", Close);
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
