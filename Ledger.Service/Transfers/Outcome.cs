using Ledger.Service.Accounts;

namespace Ledger.Service.Transfers;

/// <summary>
/// What became of a request, in order of precedence: the first that holds is the answer. <c>move.sql</c> knows the
/// numbers.
/// </summary>
internal enum TransferStatus : short
{
    /// <summary>The amount is not 1 or more.</summary>
    InvalidAmount = 0,

    /// <summary>Another transfer has that id.</summary>
    ExistsWithDifferentContent = 1,

    /// <summary>Written before, with the same content.</summary>
    Exists = 2,

    /// <summary>There is no such account.</summary>
    UnknownAccount = 3,

    /// <summary>The account is closed: what was held before can be captured and released, and nothing else.</summary>
    AccountClosed = 4,

    /// <summary>The API key may not spend that much more, in total, today or this month.</summary>
    KeyLimitReached = 5,

    /// <summary>More than what is left of the account's budget for the month.</summary>
    BudgetReached = 6,

    /// <summary>More than the balance.</summary>
    InsufficientTokens = 7,

    /// <summary>Not more than the balance, and more than it is without what is held.</summary>
    TokensHeld = 8,

    /// <summary>The account would have more credits than <see cref="Balance.Max"/>.</summary>
    BalanceTooLarge = 9,

    /// <summary>Written now. In every other case nothing was written.</summary>
    Created = 10,
}

/// <summary>What became of a request.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Transfer">The transfer's id.</param>
/// <param name="Amount">Credits that were asked for.</param>
/// <param name="Tokens">Credits left to spend right after the transfer, or now when there is none.</param>
/// <param name="Held">Credits that open holds keep back now.</param>
internal sealed record Outcome(TransferStatus Status, Guid Transfer, long Amount = 0, long Tokens = 0, long Held = 0);
