using System.Security.Cryptography;
using System.Text;

namespace Chat.Service.Chats;

/// <summary>A message that is to be answered and paid for.</summary>
/// <param name="Id">The id of its hold, and of the transfer that pays for it.</param>
/// <param name="UserId">Who pays.</param>
/// <param name="Message">What the user said.</param>
internal sealed record PendingChat(Guid Id, long UserId, string Message)
{
    /// <summary>How often an Idempotency-Key may be tried.</summary>
    private const int MaxAttempts = 10;

    /// <summary>The most credits that it can cost: so much is held.</summary>
    public long Most { get; init; }

    /// <summary>This very request. Of several with the same id only one can hold.</summary>
    public Guid Holder { get; init; } = Guid.CreateVersion7();

    /// <summary>Whether the caller has named it by a key, so that the same request may come twice.</summary>
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
    /// SHA-256 of all that was asked. Tells one request from another under the same id, also in the ledger, which has
    /// no business with what it says.
    /// </summary>
    public byte[] Hash => SHA256.HashData(Encoding.UTF8.GetBytes(
        Model is null && Conversation is null ? Content ?? Message : $"{Model}\n{Conversation}\n{Content ?? Message}"));

    /// <summary>A chat under the caller's key, or a new one.</summary>
    /// <param name="userId">Who pays.</param>
    /// <param name="operation">What is asked for.</param>
    /// <param name="key">The caller's <c>Idempotency-Key</c>, if any.</param>
    /// <param name="message">What the user said.</param>
    public static PendingChat New(long userId, string operation, string? key, string message) =>
        new(IdempotencyKey.ToTransferId(userId, operation, key), userId, message)
        {
            IsRepeatable = key is not null,
        };

    /// <summary>The ids that the attempts of the same request have, in their order.</summary>
    public IEnumerable<Guid> AttemptIds()
    {
        var id = Id;
        for (var attempt = 0; attempt < MaxAttempts; attempt++, id = IdempotencyKey.Next(id))
        {
            yield return id;
        }
    }

    /// <summary>Its hold, as the ledger lists it.</summary>
    public OpenHold ToHold() => new(UserId, Id, Holder, Hash, Conversation);
}
