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
    /// <summary>
    /// A conversation's latest chats, as many as fit, and then a message. Nothing is read without a conversation.
    /// </summary>
    /// <param name="userId">Whose conversation it is.</param>
    /// <param name="conversation">The conversation, if any.</param>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IReadOnlyList<ChatMessage>> RecallAsync(
        long userId, Guid? conversation, string message, CancellationToken cancellationToken)
    {
        var messages = new List<ChatMessage> { new(ChatRole.User, message) };
        if (conversation is null)
        {
            return messages;
        }

        var chats = await db.Chats.AsNoTracking()
            .Where(chat => chat.UserId == userId && chat.ConversationId == conversation
                && chat.Status == ChatStatus.Completed)
            .OrderByDescending(chat => chat.Id)
            .Take(options.Value.MemoryTurns)
            .Select(chat => new { chat.Message, chat.Response })
            .ToListAsync(cancellationToken);
        var length = message.Length;
        foreach (var chat in chats)
        {
            length += chat.Message.Length + chat.Response!.Length;
            if (length > options.Value.MemoryLength)
            {
                break;
            }

            messages.InsertRange(0, [new(ChatRole.User, chat.Message), new(ChatRole.Assistant, chat.Response)]);
        }

        return messages;
    }
}
