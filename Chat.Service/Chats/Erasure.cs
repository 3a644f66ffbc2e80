using System.Linq.Expressions;
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

    /// <summary>Whether it has been looked for late chats for the last time.</summary>
    public bool IsSwept { get; init; }
}

/// <summary>What Identity.Service does with the chats of users who leave.</summary>
internal static class ErasureApi
{
    /// <summary>Maps <c>/users</c>, for services only. The gateway has no route to it.</summary>
    public static void MapErasure(this IEndpointRouteBuilder app) => app.MapGroup("/users")
        .WithTags("Users").RequireAuthorization(Tokens.AccountsPolicy).MapDelete("/{user:long:min(1)}/chats", Erase);

    /// <summary>Erases a user's chats. Again it changes nothing.</summary>
    private static async Task<NoContent> Erase(
        long user, ChatDb db, ILogger<ErasedUser> logger, CancellationToken cancellationToken)
    {
        var chats = await db.EraseAsync(user, cancellationToken);
        logger.LogInformation("{Chats} chats of {User}, who has left, are erased", chats, user);
        return TypedResults.NoContent();
    }

    /// <summary>Notes that a user has left, and erases the chats.</summary>
    /// <param name="db">The database.</param>
    /// <param name="user">The user.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many chats were erased.</returns>
    internal static async Task<int> EraseAsync(this ChatDb db, long user, CancellationToken cancellationToken)
    {
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO erased_users (user_id, is_swept) VALUES ({user}, false) ON CONFLICT (user_id) DO NOTHING",
            cancellationToken);
        await db.Conversations.Where(conversation => conversation.UserId == user)
            .ExecuteDeleteAsync(cancellationToken);
        return await db.EraseAsync(chat => chat.UserId == user, cancellationToken);
    }

    /// <summary>
    /// Takes the words out of rows. The rows stay, so that a paid charge has one, and one with a tombstone none
    /// beside it. Those of imported chats go: they have no charge.
    /// </summary>
    /// <param name="db">The database.</param>
    /// <param name="which">The rows.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many had any.</returns>
    internal static async Task<int> EraseAsync(
        this ChatDb db, Expression<Func<StoredChat, bool>> which, CancellationToken cancellationToken)
    {
        var chats = db.Chats.Where(which);
        return await chats.Where(chat => chat.Status == ChatStatus.Imported).ExecuteDeleteAsync(cancellationToken)
            + await chats.Where(chat => chat.Message != "" || chat.Fingerprint != null).ExecuteUpdateAsync(
                set => set
                    .SetProperty(chat => chat.Message, "")
                    .SetProperty(chat => chat.Response, (string?)null)
                    .SetProperty(chat => chat.Fingerprint, (string?)null)
                    .SetProperty(chat => chat.ConversationId, (Guid?)null)
                    .SetProperty(
                        chat => chat.Status,
                        chat => chat.Status == ChatStatus.Completed ? ChatStatus.Erased : chat.Status),
                cancellationToken);
    }
}

/// <summary>
/// Erases what was stored after its user had left: a chat that was paid for before and answered meanwhile.
/// </summary>
/// <param name="services">Where the database comes from.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">For what failed.</param>
internal sealed class EraseLateChats(
    IServiceProvider services, TimeProvider clock, ILogger<EraseLateChats> logger) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    /// <summary>Longer than a reply can take, <see cref="ChatSettings.ModelTimeout"/>, and its storing.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await using var scope = services.CreateAsyncScope();
                await EraseAsync(scope.ServiceProvider.GetRequiredService<ChatDb>(), stoppingToken);
            }
            catch (Exception failed) when (failed is not OperationCanceledException)
            {
                logger.LogWarning(failed, "Late chats of users who have left could not be erased yet");
            }
        }
    }

    /// <summary>One round.</summary>
    /// <param name="db">The database.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many chats were erased.</returns>
    internal async Task<int> EraseAsync(ChatDb db, CancellationToken cancellationToken)
    {
        var late = clock.GetUtcNow() - Late;
        await db.Conversations
            .Where(conversation => db.ErasedUsers.Any(
                user => user.UserId == conversation.UserId && !user.IsSwept))
            .ExecuteDeleteAsync(cancellationToken);
        var erased = await db.EraseAsync(
            chat => db.ErasedUsers.Any(user => user.UserId == chat.UserId && !user.IsSwept), cancellationToken);
        await db.ErasedUsers.Where(user => !user.IsSwept && user.ErasedAt < late)
            .ExecuteUpdateAsync(set => set.SetProperty(user => user.IsSwept, true), cancellationToken);
        return erased;
    }
}
