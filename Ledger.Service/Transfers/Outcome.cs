using Ledger.Service.Accounts;

namespace Ledger.Service.Transfers;

/// <summary>What became of a request, in order of precedence: the first that holds is the answer.</summary>
internal enum TransferStatus
{
    /// <summary>The amount is not 1 or more.</summary>
    InvalidAmount,

    /// <summary>Another transfer has that name.</summary>
    ExistsWithDifferentContent,

    /// <summary>The charge was given back before, all of it; it cannot be made again, nor given back again.</summary>
    AlreadyRefunded,

    /// <summary>Written before, with the same content.</summary>
    Exists,

    /// <summary>Nobody has used that account yet.</summary>
    UnknownAccount,

    /// <summary>There is no charge of that name.</summary>
    UnknownCharge,

    /// <summary>The account is closed: it takes refunds and nothing else.</summary>
    AccountClosed,

    /// <summary>More was asked back than is left of the charge.</summary>
    RefundExceedsCharge,

    /// <summary>The API key may not spend that much more, in total or today.</summary>
    KeyLimitReached,

    /// <summary>The account has too few tokens.</summary>
    InsufficientTokens,

    /// <summary>The account would have more tokens than <see cref="Balance.Max"/>.</summary>
    BalanceTooLarge,

    /// <summary>Written now. In every other case nothing was written.</summary>
    Created,
}

/// <summary>What became of a request.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Transfer">The transfer's name.</param>
/// <param name="Balance">The balance right after the transfer, or now when there is none.</param>
/// <param name="Origin">Which of several requests with its name has made the transfer, if known.</param>
internal sealed record Outcome(
    TransferStatus Status, Guid Transfer, Balance Balance = default, Guid? Origin = null);
