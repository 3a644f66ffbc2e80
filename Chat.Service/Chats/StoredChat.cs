using Chat.Service.Models;

namespace Chat.Service.Chats;

/// <summary>
/// What became of a hold: a chat that is answered, or a tombstone, which says that there will be none. A hold has one
/// row, whichever is written first: a chat that ends late finds the tombstone, and is not paid for. Or a chat that a
/// user has brought along from another system, for which nothing was held.
/// </summary>
internal sealed class StoredChat
{
    /// <summary>The chat's number.</summary>
    public long Id { get; init; }

    /// <summary>Whose it is.</summary>
    public long UserId { get; init; }

    /// <summary>Completed or a tombstone; or erased after it was completed; or imported.</summary>
    public ChatStatus Status { get; init; }

    /// <summary>What the user said; empty in a tombstone and when erased.</summary>
    public required string Message { get; init; }

    /// <summary>What the model answered; null in a tombstone and when erased.</summary>
    public string? Response { get; init; }

    /// <summary>What it has cost, in credits; 0 in a tombstone and when imported.</summary>
    public long Cost { get; init; }

    /// <summary>The user's credits right after it; null in a tombstone and when imported.</summary>
    public long? Tokens { get; init; }

    /// <summary>The hold, and the transfer that paid; when imported, the id that the importer gave it.</summary>
    public Guid HoldId { get; init; }

    /// <summary>Of what was asked: <see cref="PendingChat.Hash"/>. Null when erased and when imported.</summary>
    public byte[]? RequestHash { get; init; }

    /// <summary>The model that was asked; null in a tombstone and when imported.</summary>
    public string? Model { get; init; }

    /// <summary>Whether it was asked for by name, and not as the default one.</summary>
    public bool IsModelNamed { get; init; }

    /// <summary>The model that answered: the one that was asked, or a fallback.</summary>
    public string? AnsweredBy { get; init; }

    /// <summary>
    /// The model's tokens of what it was told; null in a tombstone and when imported, as all that follows.
    /// </summary>
    public long? InputTokens { get; init; }

    /// <summary>Those of them that the endpoint had in its cache.</summary>
    public long? CachedTokens { get; init; }

    /// <summary>The model's tokens of what it said.</summary>
    public long? OutputTokens { get; init; }

    /// <summary>Whether the endpoint did not report its tokens.</summary>
    public bool? IsUsageEstimated { get; init; }

    /// <summary>The price, as JSON.</summary>
    public string? Price { get; init; }

    /// <summary>Why the answer ended there.</summary>
    public string? FinishReason { get; init; }

    /// <summary>How long the model's first piece took, in milliseconds.</summary>
    public int? FirstPieceMs { get; init; }

    /// <summary>How long the model took, a slow reader included, in milliseconds.</summary>
    public int? DurationMs { get; init; }

    /// <summary>The API key with which it was asked for, if any.</summary>
    public long? KeyId { get; init; }

    /// <summary>The conversation it belongs to, if any.</summary>
    public Guid? ConversationId { get; init; }

    /// <summary>When it was stored.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>As users see it.</summary>
    public ChatResponse ToResponse() =>
        new(
            Id, UserId, Message, Response ?? "", Utc(CreatedAt), Cost, Tokens, IsModelNamed ? Model : null,
            ConversationId)
        {
            FinishReason = FinishReason is Reply.Cancelled ? FinishReason : null,
        };

    /// <summary>Whether it is of the same request.</summary>
    /// <param name="chat">A request with the same id.</param>
    public bool IsOf(PendingChat chat) => RequestHash is null
        ? Status is ChatStatus.Tombstone // Its user has deleted all: there is nothing to repeat.
        : chat.Hash.AsSpan().SequenceEqual(RequestHash);

    /// <summary>To the millisecond, which JSON then shows as in <c>2025-01-06T12:34:56.789Z</c>.</summary>
    public static DateTime Utc(DateTimeOffset time) =>
        new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMillisecond), DateTimeKind.Utc);
}

/// <summary>What became of a hold. Stored as numbers: do not renumber.</summary>
internal enum ChatStatus : short
{
    /// <summary>The user has a reply for it.</summary>
    Completed = 1,

    /// <summary>There is no reply, and there will be none.</summary>
    Tombstone = 2,

    /// <summary>The user had a reply for it, and has deleted it.</summary>
    Erased = 3,

    /// <summary>The user has brought it along. Nothing was held here for it.</summary>
    Imported = 4,
}
