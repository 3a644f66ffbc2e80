using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Microsoft.Extensions.Hosting;

/// <summary>What Chat.Service asks of Ledger.Service: items to carry out in their order.</summary>
/// <param name="Items">1 to 64 of them.</param>
public sealed record HoldBatch([Required, Length(1, HoldBatch.MaxItems), NoNulls] IReadOnlyList<HoldItem> Items)
{
    /// <summary>How many a batch may have.</summary>
    public const int MaxItems = 64;
}

/// <summary>One thing that the ledger is to do.</summary>
/// <param name="Operation">Hold, capture or release.</param>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold; its capture has the same id.</param>
/// <param name="Holder">The request that holds, or that releases: of two with the same id only one may hold.</param>
/// <param name="Amount">Credits: the most it can cost, or what it has cost.</param>
/// <param name="Hash">SHA-256 of what is asked for, with a hold.</param>
/// <param name="Key">The API key with which it is asked for, with a hold.</param>
/// <param name="Conversation">The conversation that it is part of, with a hold.</param>
public sealed record HoldItem(
    HoldOperation Operation,
    [Range(1, long.MaxValue)] long Account,
    Guid Id,
    Guid Holder = default,
    [Range(0, HoldItem.MaxAmount)] long Amount = 0,
    byte[]? Hash = null,
    UsedApiKey? Key = null,
    Guid? Conversation = null) : IValidatableObject
{
    /// <summary>The most credits of an item or a balance: what JSON numbers hold exactly (RFC 8259, 6).</summary>
    public const long MaxAmount = (1L << 53) - 1;

    private const int HashBytes = 32;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Operation is not (HoldOperation.Hold or HoldOperation.Capture or HoldOperation.Release))
        {
            yield return new ValidationResult("The operation is hold, capture or release.", [nameof(Operation)]);
        }

        if (Operation is HoldOperation.Hold && Hash is not { Length: HashBytes })
        {
            yield return new ValidationResult($"A hold has a hash of {HashBytes} bytes.", [nameof(Hash)]);
        }
    }
}

/// <summary>What is to be done. The ledger's <c>carry_out.sql</c> knows the names.</summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOperation>))]
public enum HoldOperation
{
    /// <summary>Keeps credits back.</summary>
    Hold = 1,

    /// <summary>Takes what it has cost, at most what is held, and ends the hold.</summary>
    Capture,

    /// <summary>Gives all back.</summary>
    Release,

    /// <summary>Takes credits that were not held. No part of a batch.</summary>
    Deduct,

    /// <summary>Gives credits. No part of a batch.</summary>
    Credit,

    /// <summary>Takes credits back, which counts as spent for no limit. No part of a batch.</summary>
    Adjust,
}

/// <summary>
/// What became of an item. Where several refusals hold, the first is the answer; docs/ledger.md has their order. The
/// ledger's <c>carry_out.sql</c> knows the names.
/// </summary>
[JsonConverter(typeof(SnakeCaseNames<HoldOutcome>))]
public enum HoldOutcome
{
    /// <summary>It failed, such as when its account was locked for long; nothing was written.</summary>
    Failed,

    /// <summary>The credits are held by this holder, now or since before.</summary>
    Held,

    /// <summary>The cost is taken, now or before; a hold that comes late finds it so, too.</summary>
    Captured,

    /// <summary>Nothing is held under this id.</summary>
    Released,

    /// <summary>There is nothing to capture: the hold was released or never made.</summary>
    UnknownHold,

    /// <summary>Another request holds under this id.</summary>
    InProgress,

    /// <summary>Something else has this id.</summary>
    Conflict,

    /// <summary>There is no such user.</summary>
    UnknownAccount,

    /// <summary>The account is closed. Holds from before can be captured and released, and nothing else.</summary>
    AccountClosed,

    /// <summary>The API key may not spend that much more, in total, today or this month.</summary>
    KeyLimitReached,

    /// <summary>More than what is left of the user's budget for the month.</summary>
    BudgetReached,

    /// <summary>More than the balance; for a hold, than the balance without what is held.</summary>
    InsufficientTokens,

    /// <summary>
    /// A deduction or adjustment of not more than the balance, and more than it is without what is held.
    /// </summary>
    TokensHeld,

    /// <summary>The account would have more credits than <see cref="HoldItem.MaxAmount"/> by this credit.</summary>
    BalanceTooLarge,

    /// <summary>A deduction, credit or adjustment of less than 1.</summary>
    InvalidAmount,

    /// <summary>Another deduction, credit or adjustment has this id.</summary>
    ExistsWithDifferentContent,

    /// <summary>A deduction, credit or adjustment that was written before, with the same content.</summary>
    Exists,

    /// <summary>A deduction, credit or adjustment that is written now.</summary>
    Created,
}

/// <summary>What became of an item, and the account right after it.</summary>
/// <param name="Outcome">In a word.</param>
/// <param name="Amount">Credits that are held, that were captured, or that are needed.</param>
/// <param name="Balance">Credits of the account, held ones included.</param>
/// <param name="Held">Those of them that are held.</param>
/// <example>{"outcome":"held","amount":100,"balance":4000,"held":100}</example>
public sealed record HoldResult(HoldOutcome Outcome, long Amount = 0, long Balance = 0, long Held = 0)
{
    /// <summary>Credits that can be spent.</summary>
    [JsonIgnore]
    public long Available => Balance - Held;
}

/// <summary>Holds that are still worked on.</summary>
/// <param name="Holds">Which.</param>
public sealed record HoldRenewal([Required, Length(0, HoldRenewal.MaxHolds), NoNulls] IReadOnlyList<HeldBy> Holds)
{
    /// <summary>How many a call may renew.</summary>
    public const int MaxHolds = 10_000;

    /// <summary>How long the body of a call may be: each hold takes some 115 bytes.</summary>
    public const int MaxBytes = 2 * 1024 * 1024;
}

/// <summary>A hold, whoever holds.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold.</param>
public sealed record HoldName(long Account, Guid Id);

/// <summary>A hold and the request that holds.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold.</param>
/// <param name="Holder">The request.</param>
public sealed record HeldBy(long Account, Guid Id, Guid Holder);

/// <summary>A hold that is neither captured nor released.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The hold.</param>
/// <param name="Holder">The request that holds.</param>
/// <param name="Hash">SHA-256 of what was asked for.</param>
/// <param name="Conversation">The conversation that it is part of.</param>
/// <param name="Amount">Credits.</param>
public sealed record OpenHold(
    long Account, Guid Id, Guid Holder, byte[] Hash, Guid? Conversation = null, long Amount = 0);

/// <summary>A list without nulls, which JSON can hold and the types cannot say.</summary>
[AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
internal sealed class NoNullsAttribute() : ValidationAttribute("The list holds a null.")
{
    public override bool IsValid(object? value) =>
        value is not IEnumerable<object?> list || list.All(item => item is not null);
}
