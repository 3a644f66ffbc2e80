namespace Ledger.Service.Transfers;

/// <summary>One change of an account's balance. Written once and never changed.</summary>
/// <param name="Account">Whose account.</param>
/// <param name="Id">The id that the caller gave it; unique in the account.</param>
/// <param name="Version">Which of the account's transfers this is, from 1 on.</param>
/// <param name="Amount">Credits: positive when the account got them, negative when it gave them.</param>
/// <param name="Kind">Why.</param>
/// <param name="RequestHash">SHA-256 of what was asked for: tells a repeated request from another.</param>
/// <param name="BalanceAfter">The balance right after it.</param>
/// <param name="HeldAfter">What of the balance was held right after it.</param>
/// <param name="Reason">What the caller says about it.</param>
/// <param name="KeyId">The API key with which it was spent, if any.</param>
/// <param name="Day">The day of UTC on which it was spent: for the account's month, and for the API key.</param>
/// <param name="CreatedAt">When it was written.</param>
internal sealed record Transfer(
    long Account, Guid Id, long Version, long Amount, TransferKind Kind, byte[] RequestHash, long BalanceAfter,
    long HeldAfter, string? Reason, long? KeyId, DateOnly? Day, DateTimeOffset CreatedAt);

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

    /// <summary>Taken by an administrator.</summary>
    Adjustment = 5,
}
