using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Ledger.Service.Accounts;

/// <summary>What Identity.Service does with the accounts of users who leave.</summary>
internal static class AccountsApi
{
    /// <summary>Maps <c>/accounts</c>, for services only. The gateway has no route to it.</summary>
    public static void MapAccounts(this IEndpointRouteBuilder app) => app.MapGroup("/accounts")
        .WithTags("Accounts").RequireAuthorization(Tokens.AccountsPolicy).MapPut("/{user:long:min(1)}/closed", Close);

    /// <summary>
    /// Closes an account for all but refunds, now or before. One that is not open yet is opened first: access tokens
    /// of the user live on for a while, and would open it.
    /// </summary>
    private static async Task<NoContent> Close(
        long user, TokenLedger ledger, ILogger<TokenLedger> logger, CancellationToken cancellationToken)
    {
        await ledger.OpenAsync(user, cancellationToken);
        await ledger.CloseAsync(user, cancellationToken);
        logger.LogInformation("The account of {User} is closed, who has left", user);
        return TypedResults.NoContent();
    }
}
