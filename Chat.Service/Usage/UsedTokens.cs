namespace Chat.Service.Usage;

/// <summary>
/// What a user's chats of a day, with one model and one API key, have used. It is counted up in the statement that
/// stores a chat. It stays when the chats' words are deleted.
/// </summary>
internal sealed class UsedTokens
{
    /// <summary>The user.</summary>
    public long UserId { get; init; }

    /// <summary>The day of UTC on which they were stored.</summary>
    public DateOnly Day { get; init; }

    /// <summary>The model that was asked.</summary>
    public required string Model { get; init; }

    /// <summary>The API key's number; 0 for none.</summary>
    public long KeyId { get; init; }

    /// <summary>How many chats.</summary>
    public long Requests { get; init; }

    /// <summary>The model's tokens of what it was told, cached ones included.</summary>
    public long InputTokens { get; init; }

    /// <summary>Those of them that the endpoint had in its cache.</summary>
    public long CachedTokens { get; init; }

    /// <summary>The model's tokens of what it said.</summary>
    public long OutputTokens { get; init; }

    /// <summary>What they have cost, in credits.</summary>
    public long Credits { get; init; }

    /// <summary>How many of the chats have estimated tokens: their endpoint did not report them.</summary>
    public long Estimated { get; init; }
}
