using System.Security.Cryptography;
using System.Text;
using Ledger.Service.Keys;

namespace Ledger.Service.Transfers;

/// <summary>Tokens to take from a user, or to give.</summary>
/// <param name="Id">The transfer's name, made by the caller.</param>
/// <param name="Account">The user.</param>
/// <param name="Amount">Tokens, 1 or more.</param>
/// <param name="Kind">Charge, deduction or credit.</param>
/// <param name="Reason">What for, in words for the user.</param>
/// <param name="Fingerprint">What for, in a form that tells one request from another and nobody reads.</param>
/// <param name="Key">The API key with which they are taken, if any.</param>
/// <param name="Origin">Which of several requests with this name it is: see <see cref="Transfer.Origin"/>.</param>
internal sealed record TransferRequest(
    Guid Id,
    long Account,
    long Amount,
    TransferKind Kind,
    string? Reason = null,
    string? Fingerprint = null,
    KeyUse? Key = null,
    Guid? Origin = null)
{
    /// <summary>
    /// SHA-256 of all but the name, the key and the origin: a request may be sent again with another key, or with
    /// another limit of the same, and is the same request.
    /// </summary>
    public byte[] Hash() => SHA256.HashData(
        Encoding.UTF8.GetBytes($"{Account}\n{Amount}\n{(short)Kind}\n{Fingerprint ?? Reason}"));
}

/// <summary>Tokens of a charge to give back.</summary>
/// <param name="Charge">The charge's name.</param>
/// <param name="Id">The refund's name, made by the caller.</param>
/// <param name="Amount">Tokens, 1 or more; all that is left of the charge when null.</param>
internal sealed record RefundRequest(Guid Charge, Guid Id, long? Amount = null)
{
    /// <summary>SHA-256 of all but the name.</summary>
    public byte[] Hash() => SHA256.HashData(Encoding.UTF8.GetBytes($"{Charge}\n{Amount}"));
}
