namespace Ledger.Service.Transfers;

/// <summary>One movement of tokens from an account to another. Written once and never changed.</summary>
internal sealed class Transfer
{
    /// <summary>The name that the caller gave it.</summary>
    public Guid Id { get; init; }

    /// <summary>The account that gives.</summary>
    public long DebitAccount { get; init; }

    /// <summary>The account that gets.</summary>
    public long CreditAccount { get; init; }

    /// <summary>The user among the two: system accounts have negative ids. Computed by the database.</summary>
    public long Account { get; init; }

    /// <summary>Which of the account's transfers this is, from 1 on; null for a void.</summary>
    public long? Version { get; init; }

    /// <summary>Tokens.</summary>
    public long Amount { get; init; }

    /// <summary>Why tokens move.</summary>
    public TransferKind Kind { get; init; }

    /// <summary>SHA-256 of what was asked for. Tells a repeated request from another one under the same name.</summary>
    public required byte[] RequestHash { get; init; }

    /// <summary>The user's tokens right after it.</summary>
    public long BalanceAfter { get; init; }

    /// <summary>What the caller says about it.</summary>
    public string? Reason { get; init; }

    /// <summary>
    /// Which of several requests with its name has made it, where the caller says so: two of them may be under way at
    /// once, and the one whose answer was lost has to know whether the charge is its own before it undoes anything.
    /// </summary>
    public Guid? Origin { get; init; }

    /// <summary>The charge that a refund gives back.</summary>
    public Guid? ChargeId { get; init; }

    /// <summary>
    /// What was left of the charge right before a refund. Two refunds that saw the same rest cannot both be written.
    /// </summary>
    public long? Refundable { get; init; }

    /// <summary>The API key with which it was made; that of its charge, when it is a refund.</summary>
    public long? KeyId { get; init; }

    /// <summary>
    /// The day of UTC for which it counts in the key's daily limit; that of its charge, when it is a refund.
    /// </summary>
    public DateOnly? KeyDay { get; init; }

    /// <summary>When it was written.</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Why tokens move. Stored as numbers: do not renumber.</summary>
internal enum TransferKind : short
{
    /// <summary>What a new account starts with: issuance to user.</summary>
    Opening = 1,

    /// <summary>A chat: user to revenue.</summary>
    Charge = 2,

    /// <summary>A charge given back, or part of one: revenue to user.</summary>
    Refund = 3,

    /// <summary>Spent by the user's own call: user to revenue.</summary>
    Deduction = 4,

    /// <summary>
    /// Nothing, under the name of a charge that was refunded before it arrived. It moves no tokens; it takes the name,
    /// so that the charge, which may still be on its way, cannot be written.
    /// </summary>
    Void = 5,

    /// <summary>Given by an administrator: issuance to user.</summary>
    Credit = 6,
}
