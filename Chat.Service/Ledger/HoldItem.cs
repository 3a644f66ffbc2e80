using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Chat.Service.Chats;

namespace Chat.Service.Ledger;

/// <summary>One thing that the ledger is to do.</summary>
/// <param name="Operation">Hold, capture or release.</param>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold.</param>
/// <param name="Holder">The request that holds, or that releases.</param>
/// <param name="Amount">Credits: the most it can cost, or what it has cost.</param>
/// <param name="Hash">SHA-256 of what is asked for, with a hold.</param>
/// <param name="Key">The API key with which it is asked for, with a hold.</param>
/// <param name="Conversation">The conversation that it is part of, with a hold.</param>
internal sealed record HoldItem(
    HoldOperation Operation,
    long Account,
    Guid Id,
    Guid Holder = default,
    long Amount = 0,
    byte[]? Hash = null,
    UsedApiKey? Key = null,
    Guid? Conversation = null)
{
    /// <summary>Holds the most that a chat can cost.</summary>
    /// <param name="chat">The chat.</param>
    public static HoldItem Hold(PendingChat chat) => new(
        HoldOperation.Hold, chat.UserId, chat.Id, chat.Holder, chat.Most, chat.Hash, chat.Key, chat.Conversation);

    /// <summary>Holds what a stored chat has cost, whose hold is gone.</summary>
    /// <param name="chat">The chat.</param>
    public static HoldItem HoldAgain(StoredChat chat) => new(
        HoldOperation.Hold, chat.UserId, chat.HoldId, Guid.CreateVersion7(), chat.Cost,
        chat.RequestHash ?? SHA256.HashData([])); // Its user has deleted what was asked.

    /// <summary>Takes what a stored chat has cost, and ends its hold.</summary>
    /// <param name="chat">The chat.</param>
    public static HoldItem Capture(StoredChat chat) =>
        new(HoldOperation.Capture, chat.UserId, chat.HoldId, Amount: chat.Cost);

    /// <summary>Ends a hold of which nothing is taken.</summary>
    /// <param name="hold">The hold.</param>
    public static HoldItem Release(OpenHold hold) => new(HoldOperation.Release, hold.Account, hold.Id, hold.Holder);
}

/// <summary>What is to be done.</summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOperation>))]
internal enum HoldOperation
{
    /// <summary>Keeps credits back.</summary>
    Hold,

    /// <summary>Takes them.</summary>
    Capture,

    /// <summary>Gives them back.</summary>
    Release,
}

/// <summary>What became of it.</summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOutcome>))]
internal enum HoldOutcome
{
    /// <summary>It failed and nothing was written.</summary>
    Failed,

    /// <summary>The credits are held by this holder.</summary>
    Held,

    /// <summary>The cost is taken, now or before.</summary>
    Captured,

    /// <summary>Nothing is held.</summary>
    Released,

    /// <summary>There is nothing to capture.</summary>
    UnknownHold,

    /// <summary>Another request holds under this id.</summary>
    InProgress,

    /// <summary>Something else has this id.</summary>
    Conflict,

    /// <summary>The account is closed.</summary>
    AccountClosed,

    /// <summary>The API key may not spend that much more.</summary>
    KeyLimitReached,

    /// <summary>More than the balance without what is held.</summary>
    InsufficientTokens,

    /// <summary>There is no such user.</summary>
    UnknownAccount,

    /// <summary>More than what is left of the user's budget for the month.</summary>
    BudgetReached,
}

/// <summary>What became of an item, and the account right after it.</summary>
/// <param name="Outcome">In a word.</param>
/// <param name="Amount">Credits that are held, that were captured, or that are needed.</param>
/// <param name="Balance">Credits of the account, held ones included.</param>
/// <param name="Held">Those of them that are held.</param>
internal sealed record HoldResult(HoldOutcome Outcome, long Amount = 0, long Balance = 0, long Held = 0)
{
    /// <summary>Gets the credits that can be spent.</summary>
    [JsonIgnore]
    public long Available => Balance - Held;
}

/// <summary>A hold that is neither captured nor released.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold.</param>
/// <param name="Holder">The request that holds.</param>
/// <param name="Hash">SHA-256 of what was asked for.</param>
/// <param name="Conversation">The conversation that it is part of.</param>
internal sealed record OpenHold(long Account, Guid Id, Guid Holder, byte[] Hash, Guid? Conversation = null);
