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
    /// <summary>
    /// Which of several requests with this name it is; null when no other one can have the name, or when the charge is
    /// known to be of this one.
    /// </summary>
    public Guid? Origin { get; init; }

    /// <summary>Whether the caller has named it, so that the same request may be sent twice.</summary>
    public bool IsRepeatable { get; private init; }

    /// <summary>The model that was asked for by name; null for the default one.</summary>
    public string? Model { get; init; }

    /// <summary>The conversation it belongs to, if any.</summary>
    public Guid? Conversation { get; init; }

    /// <summary>The API key with which the user asks, if any.</summary>
    public UsedApiKey? Key { get; init; }

    /// <summary>Everything that was asked, where the message is not all of it.</summary>
    public string? Content { get; init; }

    /// <summary>
    /// Tells one request from another under the same name, also in the ledger, which has no business with what it says:
    /// SHA-256, in hexadecimal.
    /// </summary>
    public string Fingerprint => Hash(
        Model is null && Conversation is null ? Content ?? Message : $"{Model}\n{Conversation}\n{Content ?? Message}");

    /// <summary>A charge under the name that the caller gives, or a new one.</summary>
    /// <param name="userId">Who pays.</param>
    /// <param name="operation">What is asked for.</param>
    /// <param name="key">The caller's <c>Idempotency-Key</c>, if any.</param>
    /// <param name="message">What the user said.</param>
    /// <param name="cost">Tokens.</param>
    public static ChatCharge New(long userId, string operation, string? key, string message, long cost) =>
        new(IdempotencyKey.ToTransferId(userId, operation, key), userId, message, cost)
        {
            IsRepeatable = key is not null,
            Origin = key is null ? null : Guid.CreateVersion7(),
        };

    /// <summary>The same request's attempts, each of which may be made when those before it were given back.</summary>
    /// <param name="count">How many.</param>
    public IReadOnlyList<ChatCharge> Attempts(int count)
    {
        var attempts = new List<ChatCharge> { this };
        while (attempts.Count < count)
        {
            attempts.Add(this with { Id = IdempotencyKey.Next(attempts[^1].Id) });
        }

        return attempts;
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
