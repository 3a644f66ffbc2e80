namespace Ledger.Service.Transfers;

/// <summary>One change of an account's balance. Written once and never changed.</summary>
internal sealed class Transfer
{
    public long Account { get; init; }

    /// <summary>The id that the caller gave it; unique in the account.</summary>
    public Guid Id { get; init; }

    /// <summary>Which of the account's transfers this is, from 1 on.</summary>
    public long Version { get; init; }

    /// <summary>Credits: positive when the account got them, negative when it gave them.</summary>
    public long Amount { get; init; }
    public TransferKind Kind { get; init; }

    /// <summary>SHA-256 of what was asked for. Tells a repeated request from another one under the same id.</summary>
    public required byte[] RequestHash { get; init; }

    /// <summary>The balance right after it.</summary>
    public long BalanceAfter { get; init; }

    /// <summary>What of the balance was held right after it.</summary>
    public long HeldAfter { get; init; }

    /// <summary>What the caller says about it.</summary>
    public string? Reason { get; init; }
    public long? KeyId { get; init; }

    /// <summary>The day of UTC on which it was spent: for the account's month, and for the API key.</summary>
    public DateOnly? Day { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Why a balance changes. Stored as numbers, which the SQL functions know: do not renumber.</summary>
internal enum TransferKind : short
{
    /// <summary>What a new account starts with.</summary>
    Opening = 1,

    /// <summary>A hold that was captured.</summary>
    Charge = 2,

    /// <summary>Spent by the user's own call.</summary>
    Deduction = 3,

    /// <summary>Given by an administrator.</summary>
    Credit = 4,
}
