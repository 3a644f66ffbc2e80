using Ledger.Service.Accounts;

namespace Ledger.Service.Transfers;

/// <summary>What became of a transfer, in order of precedence: the first that holds is the answer.</summary>
internal enum TransferStatus
{
    /// <summary>Written now.</summary>
    Created,

    /// <summary>The charge was given back before; it cannot be made again.</summary>
    AlreadyRefunded,

    /// <summary>Another transfer has that name. Nothing was written.</summary>
    ExistsWithDifferentContent,

    /// <summary>Written before, with the same content. Nothing was written now.</summary>
    Exists,

    /// <summary>There is no charge of that name. Nothing was written.</summary>
    UnknownCharge,

    /// <summary>The account has too few tokens. Nothing was written.</summary>
    InsufficientTokens,
}

/// <summary>What became of a transfer.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Transfer">The transfer's name.</param>
/// <param name="Balance">The balance right after the transfer, or now when there is none.</param>
internal sealed record Outcome(TransferStatus Status, Guid Transfer, Balance Balance = default);
