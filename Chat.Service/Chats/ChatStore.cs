using Chat.Service.Charges;
using Chat.Service.Conversations;
using Npgsql;

namespace Chat.Service.Chats;

/// <summary>The statements of the hot path.</summary>
internal sealed class ChatStore(NpgsqlDataSource database)
{
    private const string AddSql = """
        INSERT INTO chats (user_id, status, message, response, cost, tokens, charge_id, fingerprint, model)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (charge_id) DO NOTHING RETURNING id, created_at
        """;

    // A conversation begins with its first chat, and in the same commit.
    private const string AddToConversationSql = """
        WITH chat AS (
          INSERT INTO chats
            (user_id, status, message, response, cost, tokens, charge_id, fingerprint, model, conversation_id)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (charge_id) DO NOTHING RETURNING id, created_at
        ), conversation AS (
          INSERT INTO conversations (user_id, id, title, created_at, updated_at)
          SELECT $1, $10, $11, created_at, created_at FROM chat
          ON CONFLICT (user_id, id) DO UPDATE SET updated_at = greatest(conversations.updated_at, excluded.updated_at)
        )
        SELECT id, created_at FROM chat
        """;

    private const string FindSql = """
        SELECT id, created_at, user_id, status, message, response, cost, tokens, fingerprint, model, conversation_id,
          charge_id
        FROM chats WHERE charge_id = ANY ($1)
        """;

    /// <summary>Stores a completed chat.</summary>
    /// <returns>The chat with its number and time; null when the charge's tombstone stands.</returns>
    public Task<StoredChat?> AddAsync(
        ChatCharge charge, string response, long tokens, CancellationToken cancellationToken) =>
        InsertAsync(charge, ChatStatus.Completed, response, tokens, cancellationToken);

    /// <summary>Sets a tombstone: from now on the charge has no chat.</summary>
    /// <returns>Whether this call set it; false when the charge has a chat or a tombstone already.</returns>
    public async Task<bool> AddTombstoneAsync(ChatCharge charge, CancellationToken cancellationToken) =>
        await InsertAsync(charge, ChatStatus.Refunded, response: null, tokens: null, cancellationToken) is not null;

    /// <summary>What became of a charge.</summary>
    /// <returns>The chat or tombstone; null when there is neither yet.</returns>
    public async Task<StoredChat?> FindAsync(Guid chargeId, CancellationToken cancellationToken) =>
        (await FindAsync([chargeId], cancellationToken)).GetValueOrDefault(chargeId);

    /// <summary>What became of charges.</summary>
    /// <returns>The chats and tombstones that there are, by the names of their charges.</returns>
    public async Task<Dictionary<Guid, StoredChat>> FindAsync(Guid[] chargeIds, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = chargeIds });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new Dictionary<Guid, StoredChat>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var chat = new StoredChat
            {
                Id = reader.GetInt64(0),
                CreatedAt = reader.GetFieldValue<DateTimeOffset>(1),
                UserId = reader.GetInt64(2),
                Status = (ChatStatus)reader.GetInt16(3),
                Message = reader.GetString(4),
                Response = reader.IsDBNull(5) ? null : reader.GetString(5),
                Cost = reader.GetInt64(6),
                Tokens = reader.IsDBNull(7) ? null : reader.GetInt64(7),
                Fingerprint = reader.IsDBNull(8) ? null : reader.GetString(8),
                Model = reader.IsDBNull(9) ? null : reader.GetString(9),
                ConversationId = reader.IsDBNull(10) ? null : reader.GetGuid(10),
                ChargeId = reader.GetGuid(11),
            };
            found.Add(chat.ChargeId, chat);
        }

        return found;
    }

    private async Task<StoredChat?> InsertAsync(
        ChatCharge charge, ChatStatus status, string? response, long? tokens, CancellationToken cancellationToken)
    {
        // What a dead replica has left charged comes without the words it was for.
        var fingerprint = charge.Message.Length == 0 ? null : charge.Fingerprint;
        // The words of a chat that there is not are nobody's business: the fingerprint tells it from others.
        var (message, conversationId) = status is ChatStatus.Refunded ? ("", null)
            : (charge.Message, charge.Conversation);
        await using var command = database.CreateCommand(conversationId is null ? AddSql : AddToConversationSql);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = charge.UserId });
        command.Parameters.Add(new NpgsqlParameter<short> { TypedValue = (short)status });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = message });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = response });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = charge.Cost });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = tokens });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = charge.Id });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = fingerprint });
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = charge.Model });
        if (conversationId is { } conversation)
        {
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = conversation });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Conversation.TitleOf(charge.Message) });
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return !await reader.ReadAsync(cancellationToken) ? null : new StoredChat
        {
            Id = reader.GetInt64(0),
            CreatedAt = reader.GetFieldValue<DateTimeOffset>(1),
            UserId = charge.UserId,
            Status = status,
            Message = message,
            Response = response,
            Cost = charge.Cost,
            Tokens = tokens,
            ChargeId = charge.Id,
            Fingerprint = fingerprint,
            Model = charge.Model,
            ConversationId = conversationId,
        };
    }
}
