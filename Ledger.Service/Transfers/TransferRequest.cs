using System.Security.Cryptography;
using System.Text;

namespace Ledger.Service.Transfers;

/// <summary>Credits to take from an account, or to give.</summary>
/// <param name="Id">The transfer's id, made by the caller.</param>
/// <param name="Account">Whose account.</param>
/// <param name="Amount">Credits, 1 or more.</param>
/// <param name="Kind">Deduction or credit.</param>
/// <param name="Reason">What for, in words for the user.</param>
/// <param name="Key">The API key with which they are taken, if any.</param>
internal sealed record TransferRequest(
    Guid Id, long Account, long Amount, TransferKind Kind, string? Reason = null, UsedApiKey? Key = null)
{
    /// <summary>
    /// SHA-256 of all but the id and the key: a request that is sent again with another key is the same request.
    /// </summary>
    public byte[] Hash() => SHA256.HashData(Encoding.UTF8.GetBytes($"{Account}\n{Amount}\n{(short)Kind}\n{Reason}"));
}

/// <summary>What became of it.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Transfer">The transfer's id.</param>
/// <param name="Amount">Credits that were asked for.</param>
/// <param name="Tokens">Credits left to spend right after the transfer, or now when there is none.</param>
/// <param name="Held">Credits that open holds keep back now.</param>
internal sealed record Outcome(HoldOutcome Status, Guid Transfer, long Amount = 0, long Tokens = 0, long Held = 0);
