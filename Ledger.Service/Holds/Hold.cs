using System.Text.Json.Serialization;

namespace Ledger.Service.Holds;

/// <summary>
/// Credits that a request under way may cost: they are still the user's, and cannot be spent. It ends with a capture or
/// a release, and never by itself.
/// </summary>
internal sealed class Hold
{
    public long AccountId { get; init; }

    /// <summary>The name that the caller gave it; its capture has the same.</summary>
    public Guid Id { get; init; }

    /// <summary>The request that holds: of two with the same name only one may.</summary>
    public Guid Holder { get; init; }

    /// <summary>SHA-256 of what was asked for.</summary>
    public required byte[] RequestHash { get; init; }
    public long Amount { get; init; }

    /// <summary>The day of UTC for which it counts: in the account's month, and for the API key.</summary>
    public DateOnly Day { get; init; }
    public long? KeyId { get; init; }

    /// <summary>The conversation that it is part of, for those who settle it later.</summary>
    public Guid? Conversation { get; init; }
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its holder last said that it is at work.</summary>
    public DateTimeOffset RenewedAt { get; init; }
}

/// <summary>What is to be done. Stored nowhere; <c>carry_out.sql</c> knows the numbers.</summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOperation>))]
public enum HoldOperation : short
{
    /// <summary>Keep credits back.</summary>
    Hold = 1,

    /// <summary>Take what it has cost, at most what is held.</summary>
    Capture = 2,

    /// <summary>Give all back.</summary>
    Release = 3,
}

/// <summary>What became of an item. <c>carry_out.sql</c> knows the numbers.</summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOutcome>))]
public enum HoldOutcome : short
{
    /// <summary>It failed, such as when its account was locked for long; nothing was written.</summary>
    Failed = 0,

    /// <summary>The credits are held by this holder, now or since before.</summary>
    Held = 1,

    /// <summary>The cost is taken, now or before; a hold that comes late finds it so, too.</summary>
    Captured = 2,

    /// <summary>Nothing is held under this name.</summary>
    Released = 3,

    /// <summary>There is nothing to capture: the hold was released or never made.</summary>
    UnknownHold = 4,

    /// <summary>Another request with this name is under way.</summary>
    InProgress = 5,

    /// <summary>Something else has this name.</summary>
    Conflict = 6,

    /// <summary>The account is closed. Holds from before can be captured and released.</summary>
    AccountClosed = 7,

    /// <summary>The API key may not spend that much more, in total, today or this month.</summary>
    KeyLimitReached = 8,

    /// <summary>More than the balance without what is held.</summary>
    InsufficientTokens = 9,

    /// <summary>There is no such user.</summary>
    UnknownAccount = 10,

    /// <summary>More than what is left of the account's budget for the month.</summary>
    BudgetReached = 11,
}

/// <summary>What became of an item, and the account right after it.</summary>
/// <param name="Outcome">In a word.</param>
/// <param name="Amount">Credits that are held, that were captured, or that are needed.</param>
/// <param name="Balance">Credits of the account, held ones included.</param>
/// <param name="Held">Those of them that are held.</param>
/// <example>{"outcome":"held","amount":100,"balance":4000,"held":100}</example>
public sealed record HoldResult(HoldOutcome Outcome, long Amount, long Balance, long Held);
