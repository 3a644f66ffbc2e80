using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Chat.Service.Chats;

/// <summary>A user who has left. What they said and were told is gone; that it was paid for stays.</summary>
internal sealed class ErasedUser
{
    /// <summary>The user's number, which is never given twice.</summary>
    public long UserId { get; init; }

    /// <summary>When Identity.Service said so.</summary>
    public DateTimeOffset ErasedAt { get; init; }
}

/// <summary>What Identity.Service does with the chats of users who leave.</summary>
internal static class ErasureApi
{
    /// <summary>Maps <c>/users</c>, for services only. The gateway has no route to it.</summary>
    public static void MapErasure(this IEndpointRouteBuilder app) => app.MapGroup("/users")
        .WithTags("Users").RequireAuthorization(Tokens.AccountsPolicy).MapDelete("/{user:long:min(1)}/chats", Erase)
        .ErasesWithTheLedger();

    /// <summary>Says of an endpoint that deletes that it cannot while the ledger does not answer.</summary>
    /// <param name="endpoint">The endpoint.</param>
    public static void ErasesWithTheLedger(this RouteHandlerBuilder endpoint) => endpoint
        .Refuses(ChatProblems.CannotDelete())
        .AddEndpointFilter(async (context, next) =>
        {
            try
            {
                return await next(context);
            }
            catch (HttpRequestException)
            {
                context.HttpContext.Response.Headers.RetryAfter = "1";
                return ChatProblems.CannotDelete();
            }
        });

    /// <summary>Erases a user's chats. The account is closed before, so that no new ones begin.</summary>
    private static async Task<NoContent> Erase(
        long user, Erasure erasure, ILogger<ErasedUser> logger, CancellationToken cancellationToken)
    {
        var chats = await erasure.EraseUserAsync(user, cancellationToken);
        logger.LogInformation("{Chats} chats of {User}, who has left, are erased", chats, user);
        return TypedResults.NoContent();
    }
}

/// <summary>
/// Takes the words out of chats. The rows stay, so that a transfer has one, and a tombstone goes on keeping its hold
/// from being answered. Those of imported chats go: nothing paid for them.
/// </summary>
/// <param name="db">The chats.</param>
/// <param name="settlement">Ends the holds of what is still being answered.</param>
/// <param name="running">What this replica is answering.</param>
internal sealed class Erasure(ChatDb db, Settlement settlement, RunningChats running)
{
    /// <summary>Few at a time, so that one huge account does not hold up others.</summary>
    private const int PageSize = 500;

    /// <summary>Notes that a user has left, and erases the chats.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="cancellationToken">Ends the wait. May be done again.</param>
    /// <returns>How many chats had words.</returns>
    public async Task<int> EraseUserAsync(long userId, CancellationToken cancellationToken)
    {
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO erased_users (user_id) VALUES ({userId}) ON CONFLICT (user_id) DO NOTHING",
            cancellationToken);
        return await EraseAsync(userId, conversation: null, cancellationToken);
    }

    /// <summary>
    /// Erases a user's chats, those that are being answered included: they are never stored, and cost nothing.
    /// </summary>
    /// <param name="userId">The user.</param>
    /// <param name="conversation">Only those of this conversation; all, with the conversations, when null.</param>
    /// <param name="cancellationToken">Ends the wait. May be done again.</param>
    /// <returns>How many chats had words.</returns>
    /// <exception cref="HttpRequestException">The ledger does not answer. Nothing was erased.</exception>
    public async Task<int> EraseAsync(long userId, Guid? conversation, CancellationToken cancellationToken)
    {
        await settlement.SettleAllAsync(userId, conversation, cancellationToken);
        running.Lose(userId, conversation); // Another replica's find out when they renew their holds.
        var erased = await EraseAsync(
            db.Chats.Where(chat => chat.UserId == userId
                && (conversation == null || chat.ConversationId == conversation)),
            cancellationToken);
        // The conversations last: cut off in between, they are still there to be deleted.
        await db.Conversations.Where(each => each.UserId == userId && (conversation == null || each.Id == conversation))
            .ExecuteDeleteAsync(cancellationToken);
        return erased;
    }

    /// <summary>Erases chats that are stored.</summary>
    /// <param name="chats">The chats.</param>
    /// <param name="cancellationToken">Ends the wait. May be done again.</param>
    /// <returns>How many had words.</returns>
    public static async Task<int> EraseAsync(IQueryable<StoredChat> chats, CancellationToken cancellationToken)
    {
        var imported = chats.Where(chat => chat.Status == ChatStatus.Imported).OrderBy(chat => chat.Id).Take(PageSize);
        var worded = chats.Where(chat => chat.Status != ChatStatus.Imported
            && (chat.Message != "" || chat.RequestHash != null)).OrderBy(chat => chat.Id).Take(PageSize);
        return await ByPagesAsync(() => imported.ExecuteDeleteAsync(cancellationToken))
            + await ByPagesAsync(() => worded.ExecuteUpdateAsync(
                set => set
                    .SetProperty(chat => chat.Message, "")
                    .SetProperty(chat => chat.Response, (string?)null)
                    .SetProperty(chat => chat.RequestHash, (byte[]?)null)
                    .SetProperty(chat => chat.ConversationId, (Guid?)null)
                    .SetProperty(
                        chat => chat.Status,
                        chat => chat.Status == ChatStatus.Completed ? ChatStatus.Erased : chat.Status),
                cancellationToken));
    }

    private static async Task<int> ByPagesAsync(Func<Task<int>> erasePage)
    {
        var erased = 0;
        while (await erasePage() is var page and > 0)
        {
            erased += page;
        }

        return erased;
    }
}
