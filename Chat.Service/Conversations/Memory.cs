using Chat.Service.Chats;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace Chat.Service.Conversations;

/// <summary>What a model is told of a conversation before the message that it answers.</summary>
/// <param name="db">The chats.</param>
/// <param name="options">How much.</param>
internal sealed class Memory(ChatDb db, IOptions<ChatSettings> options)
{
    /// <summary>What reads a conversation's latest chats, as many as fit, the oldest first.</summary>
    /// <param name="userId">Whose conversation it is.</param>
    /// <param name="conversation">The conversation, if any.</param>
    /// <param name="length">How long the message is that is answered, in characters.</param>
    /// <returns>Null without a conversation.</returns>
    public Func<CancellationToken, Task<IReadOnlyList<ChatMessage>>>? Of(
        long userId, Guid? conversation, int length) =>
        conversation is { } id ? cancellationToken => RecallAsync(userId, id, length, cancellationToken) : null;

    private async Task<IReadOnlyList<ChatMessage>> RecallAsync(
        long userId, Guid conversation, int length, CancellationToken cancellationToken)
    {
        var chats = db.Chats.AsNoTracking().Where(chat => chat.UserId == userId
            && chat.ConversationId == conversation && chat.Status == ChatStatus.Completed);
        // Their lengths first: replies can be far longer than what a model is told.
        var latest = await chats.OrderByDescending(chat => chat.Id)
            .Take(options.Value.MemoryTurns)
            .Select(chat => new { chat.Id, Length = chat.Message.Length + chat.Response!.Length })
            .ToListAsync(cancellationToken);
        var fitting = latest.TakeWhile(chat => (length += chat.Length) <= options.Value.MemoryLength)
            .Select(chat => chat.Id).ToList();
        var told = await chats.Where(chat => fitting.Contains(chat.Id))
            .OrderBy(chat => chat.Id)
            .Select(chat => new { chat.Message, chat.Response })
            .ToListAsync(cancellationToken);
        return
        [
            .. told.SelectMany(chat => new ChatMessage[]
            {
                new(ChatRole.User, chat.Message), new(ChatRole.Assistant, chat.Response),
            }),
        ];
    }
}
