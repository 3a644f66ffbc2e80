using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// The <c>Idempotency-Key</c> header (draft-ietf-httpapi-idempotency-key-header): the caller names a request, so that
/// sending it twice does it once.
/// </summary>
public static class IdempotencyKey
{
    /// <summary>The header's name.</summary>
    public const string Header = "Idempotency-Key";

    /// <summary>The answer's header that says an earlier outcome is repeated.</summary>
    public const string ReplayedHeader = "Idempotency-Replayed";

    /// <summary>How many characters a key has at most.</summary>
    public const int MaxLength = 255;

    /// <summary>Whether a key can be used: 1 to 255 visible ASCII characters.</summary>
    /// <param name="key">The header's value.</param>
    /// <returns>True when it can.</returns>
    public static bool IsValid(string key) =>
        key.Length is > 0 and <= MaxLength && key.All(c => c is >= '!' and <= '~');

    /// <summary>The answer to a key that cannot be used.</summary>
    /// <returns>400.</returns>
    public static ProblemHttpResult Invalid() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "invalid_idempotency_key",
        $"An {Header} has 1 to {MaxLength} visible ASCII characters.");

    /// <summary>The name under which a request is tried again whose first attempt was given back.</summary>
    /// <param name="transfer">The name of the attempt before.</param>
    /// <returns>A UUID, always the same one.</returns>
    public static Guid Next(Guid transfer) => OfHash($"{transfer}\nagain");

    /// <summary>
    /// The transfer's name: made of the key when there is one, so that the same caller's same key names the same
    /// transfer on every replica, and new otherwise.
    /// </summary>
    /// <param name="userId">The caller; keys of different callers never meet.</param>
    /// <param name="operation">What is asked for; keys of different operations never meet.</param>
    /// <param name="key">The header's value, or null.</param>
    /// <returns>A UUID: version 8 (RFC 9562, of a hash) or 7.</returns>
    public static Guid ToTransferId(long userId, string operation, string? key) =>
        key is null ? Guid.CreateVersion7() : OfHash($"{userId}\n{operation}\n{key}");

    private static Guid OfHash(string name)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 16);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash, bigEndian: true);
    }
}
