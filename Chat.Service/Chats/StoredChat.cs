using Chat.Service.Charges;

namespace Chat.Service.Chats;

/// <summary>
/// What became of a charge: a completed chat, or a tombstone that says the charge was or will be refunded. A charge has
/// one row, so a chat that is finished late cannot be stored once its tombstone stands, nor be refunded once it is
/// stored. Or a chat that a user has brought along from another system: no charge belongs to it.
/// </summary>
internal sealed class StoredChat
{
    /// <summary>The chat's number.</summary>
    public long Id { get; init; }

    /// <summary>Whose it is.</summary>
    public long UserId { get; init; }

    /// <summary>Completed or refunded, or erased after it was completed; or imported.</summary>
    public ChatStatus Status { get; init; }

    /// <summary>What the user said; empty in a tombstone and when erased.</summary>
    public required string Message { get; init; }

    /// <summary>What the model answered; null in a tombstone and when erased.</summary>
    public string? Response { get; init; }

    /// <summary>What was charged, in tokens; 0 when imported.</summary>
    public long Cost { get; init; }

    /// <summary>The user's tokens right after the charge; null in a tombstone and when imported.</summary>
    public long? Tokens { get; init; }

    /// <summary>The charge in the ledger; when imported, the name that the importer gave it.</summary>
    public Guid ChargeId { get; init; }

    /// <summary>Of what was asked: <see cref="ChatCharge.Fingerprint"/>. Null when that is not known.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>The model that was asked for by name; null for the default one.</summary>
    public string? Model { get; init; }

    /// <summary>The conversation it belongs to, if any.</summary>
    public Guid? ConversationId { get; init; }

    /// <summary>When it was stored.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>As users see it.</summary>
    public ChatResponse ToResponse() =>
        new(Id, UserId, Message, Response ?? "", Utc(CreatedAt), Cost, Tokens, Model, ConversationId);

    /// <summary>Whether it is of another request than a charge of the same name.</summary>
    /// <param name="charge">The charge.</param>
    public bool DiffersFrom(ChatCharge charge) => Fingerprint is not null
        ? Fingerprint != charge.Fingerprint
        // A chat from before fingerprints were kept; or a tombstone of which nothing more is known, or an erased chat.
        : Message.Length > 0 ? Message != charge.Message : Status is not ChatStatus.Refunded;

    /// <summary>To the millisecond, which JSON then shows as in <c>2025-01-06T12:34:56.789Z</c>.</summary>
    public static DateTime Utc(DateTimeOffset time) =>
        new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMillisecond), DateTimeKind.Utc);
}

/// <summary>What became of a charge. Stored as numbers: do not renumber.</summary>
internal enum ChatStatus : short
{
    /// <summary>The user has a reply for it.</summary>
    Completed = 1,

    /// <summary>The user has it back.</summary>
    Refunded = 2,

    /// <summary>The user had a reply for it, and has left.</summary>
    Erased = 3,

    /// <summary>The user has brought it along. Nothing was charged here for it.</summary>
    Imported = 4,
}
