using System.Security.Cryptography;
using System.Text;

namespace Ledger.Service.Transfers;

/// <summary>Tokens to take from a user.</summary>
/// <param name="Id">The transfer's name, made by the caller.</param>
/// <param name="Account">The user.</param>
/// <param name="Amount">Tokens, 1 or more.</param>
/// <param name="Kind">Charge or deduction.</param>
/// <param name="Reason">What for.</param>
internal sealed record DebitRequest(Guid Id, long Account, long Amount, TransferKind Kind, string? Reason)
{
    /// <summary>SHA-256 of all but the name.</summary>
    public byte[] Hash() => SHA256.HashData(Encoding.UTF8.GetBytes($"{Account}\n{Amount}\n{(short)Kind}\n{Reason}"));
}
