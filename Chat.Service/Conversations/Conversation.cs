using Chat.Service.Chats;

namespace Chat.Service.Conversations;

/// <summary>
/// Chats that belong together, under a name that the user's client gave. It is there from its first chat on.
/// </summary>
internal sealed class Conversation
{
    /// <summary>The longest title, in characters.</summary>
    public const int MaxTitleLength = 200;

    private const int MaxFirstTitleLength = 80;

    /// <summary>Whose it is. Names of different users never meet.</summary>
    public long UserId { get; init; }

    /// <summary>The name.</summary>
    public Guid Id { get; init; }

    /// <summary>What people call it.</summary>
    public required string Title { get; init; }

    /// <summary>When its first chat was stored.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its latest chat was stored.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>As users see it.</summary>
    public ConversationResponse ToResponse() =>
        new(Id, Title, StoredChat.Utc(CreatedAt), StoredChat.Utc(UpdatedAt));

    /// <summary>What a conversation is called at first.</summary>
    /// <param name="message">Its first message.</param>
    public static string TitleOf(string message)
    {
        var line = message.Trim().Split('\n', 2)[0].TrimEnd();
        if (line.Length <= MaxFirstTitleLength)
        {
            return line;
        }

        // Not in the middle of a character that takes two chars.
        var end = char.IsHighSurrogate(line[MaxFirstTitleLength - 1]) ? MaxFirstTitleLength - 1 : MaxFirstTitleLength;
        return $"{line[..end]}…";
    }
}

/// <summary>A conversation.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Title">What people call it.</param>
/// <param name="Created">When it began, in UTC.</param>
/// <param name="Updated">When its latest chat was stored, in UTC.</param>
/// <example>
/// {"id":"018f0000-0000-7000-8000-000000000001","title":"Greetings","created":"2025-01-06T12:34:56.789Z",
/// "updated":"2025-01-06T12:34:56.789Z"}
/// </example>
internal sealed record ConversationResponse(Guid Id, string Title, DateTime Created, DateTime Updated);
