
namespace Chat.Service.Chats;

/// <summary>What became of a message.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Chat">The chat, when it is stored.</param>
/// <param name="Hold">The ledger's answer, when it refused.</param>
/// <param name="IsSettled">Whether nothing is held any more, when there is no chat.</param>
/// <param name="IsUntouched">Whether nothing was begun, so that another replica may.</param>
/// <param name="IsReplay">Whether the chat was stored by an earlier request with the same key.</param>
internal sealed record ChatResult(
    ReplyStatus Status,
    StoredChat? Chat = null,
    HoldResult? Hold = null,
    bool IsSettled = true,
    bool IsUntouched = false,
    bool IsReplay = false)
{
    /// <summary>What becomes of a message whose credits the ledger does not hold.</summary>
    /// <param name="hold">The ledger's answer.</param>
    public static ChatResult Refused(HoldResult hold) => new(
        hold.Outcome switch
        {
            HoldOutcome.InsufficientTokens => ReplyStatus.InsufficientTokens,
            HoldOutcome.KeyLimitReached => ReplyStatus.KeyLimitReached,
            HoldOutcome.BudgetReached => ReplyStatus.BudgetReached,
            HoldOutcome.AccountClosed => ReplyStatus.AccountClosed,
            HoldOutcome.UnknownAccount => ReplyStatus.UnknownAccount,
            HoldOutcome.InProgress => ReplyStatus.InProgress,
            HoldOutcome.Conflict => ReplyStatus.KeyReused,
            _ => ReplyStatus.LedgerUnavailable,
        },
        Hold: hold);
}

/// <summary>What became of a message. Whatever is not stored is not charged.</summary>
internal enum ReplyStatus
{
    /// <summary>It is answered and paid.</summary>
    Stored,

    /// <summary>The same request is being answered, or it is not known yet how it ended.</summary>
    InProgress,

    /// <summary>The key names a request with another message.</summary>
    KeyReused,

    /// <summary>The request with this key has failed too often.</summary>
    TooManyAttempts,

    /// <summary>Too few credits.</summary>
    InsufficientTokens,

    /// <summary>The API key may not spend that much more.</summary>
    KeyLimitReached,

    /// <summary>More than what is left of the user's budget for the month.</summary>
    BudgetReached,

    /// <summary>The account is closed.</summary>
    AccountClosed,

    /// <summary>There is no such user any more.</summary>
    UnknownAccount,

    /// <summary>The user has too many chats under way.</summary>
    TooManyChats,

    /// <summary>This replica stops.</summary>
    Draining,

    /// <summary>The model failed.</summary>
    ModelFailed,

    /// <summary>The model took too long.</summary>
    ModelTimedOut,

    /// <summary>The hold was ended meanwhile: the chat was deleted, or this replica was taken for dead.</summary>
    TooLate,

    /// <summary>The caller does not take the reply.</summary>
    CallerLeft,

    /// <summary>The ledger does not answer.</summary>
    LedgerUnavailable,

    /// <summary>The reply could not be stored.</summary>
    StoreUnavailable,
}
