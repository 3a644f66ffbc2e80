using System.Security.Cryptography;
using System.Text;

namespace Chat.Service.Charges;

/// <summary>A chat about to be paid for.</summary>
/// <param name="Id">The charge's name.</param>
/// <param name="UserId">Who pays.</param>
/// <param name="Message">What the user said.</param>
/// <param name="Cost">Tokens.</param>
internal sealed record ChatCharge(Guid Id, long UserId, string Message, long Cost)
{
    /// <summary>The model that was asked for by name; null for the default one.</summary>
    public string? Model { get; init; }

    /// <summary>The conversation it belongs to, if any.</summary>
    public Guid? Conversation { get; init; }

    /// <summary>The API key with which the user asks, if any.</summary>
    public UsedApiKey? Key { get; init; }

    /// <summary>Whether the row that is written belongs to the conversation: that of a tombstone does not.</summary>
    public bool IsTold { get; init; } = true;

    /// <summary>Everything that was asked, where the message is not all of it.</summary>
    public string? Content { get; init; }

    /// <summary>
    /// Tells one request from another under the same name, also in the ledger, which has no business with what it says:
    /// SHA-256, in hexadecimal.
    /// </summary>
    public string Fingerprint => Hash(
        Model is null && Conversation is null ? Content ?? Message : $"{Model}\n{Conversation}\n{Content ?? Message}");

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
