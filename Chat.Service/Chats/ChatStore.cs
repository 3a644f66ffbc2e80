using Chat.Service.Conversations;
using Chat.Service.Ledger;
using Npgsql;

namespace Chat.Service.Chats;

/// <summary>A chat that a model has answered, to be stored.</summary>
/// <param name="Chat">What was asked.</param>
/// <param name="Response">What the model answered.</param>
/// <param name="Tokens">The user's credits once it is paid.</param>
internal sealed record AnsweredChat(PendingChat Chat, string Response, long Tokens)
{
    /// <summary>The chat as it is stored.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="createdAt">When it was stored.</param>
    public StoredChat ToStored(long id, DateTimeOffset createdAt) => new()
    {
        Id = id,
        CreatedAt = createdAt,
        UserId = Chat.UserId,
        Status = ChatStatus.Completed,
        Message = Chat.Message,
        Response = Response,
        Cost = Chat.Cost,
        Tokens = Tokens,
        HoldId = Chat.Id,
        RequestHash = Chat.Hash,
        Model = Chat.Model,
        ConversationId = Chat.Conversation,
    };
}

/// <summary>The statements of a chat's path. Chats are stored in batches.</summary>
internal sealed class ChatStore
{
    private const int MaxItems = 64;
    private const int MaxCalls = 2;
    private const int TimeoutSeconds = 10;

    // A conversation begins with its first chat, and in the same commit.
    private const string AddSql = """
        WITH answered AS (
          SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY AS a (user_id, hold_id,
            message, response, cost, tokens, request_hash, model, conversation_id, title, number)
        ), chat AS (
          INSERT INTO chats
            (user_id, hold_id, status, message, response, cost, tokens, request_hash, model, conversation_id)
          SELECT user_id, hold_id, 1, message, response, cost, tokens, request_hash, model, conversation_id
          FROM answered ORDER BY number
          ON CONFLICT (user_id, hold_id) DO NOTHING RETURNING user_id, hold_id, id, created_at, conversation_id
        ), conversation AS (
          INSERT INTO conversations (user_id, id, title, created_at, updated_at)
          SELECT DISTINCT ON (user_id, chat.conversation_id)
            user_id, chat.conversation_id, title, created_at, created_at
          FROM chat JOIN answered USING (user_id, hold_id) WHERE chat.conversation_id IS NOT NULL
          ORDER BY user_id, chat.conversation_id, number
          ON CONFLICT (user_id, id) DO UPDATE SET updated_at = greatest(conversations.updated_at, excluded.updated_at)
        )
        SELECT user_id, hold_id, id, created_at FROM chat
        """;

    private const string TombstoneSql = """
        INSERT INTO chats (user_id, hold_id, status, message, cost, request_hash) VALUES ($1, $2, 2, '', 0, $3)
        ON CONFLICT (user_id, hold_id) DO NOTHING
        """;

    private const string FindSql = """
        SELECT id, created_at, status, message, response, cost, tokens, request_hash, model, conversation_id, hold_id
        FROM chats WHERE user_id = $1 AND hold_id = ANY ($2)
        """;

    private readonly NpgsqlDataSource _database;
    private readonly Batcher<AnsweredChat, StoredChat?> _batches;

    /// <summary>Makes a store.</summary>
    /// <param name="database">chatdb.</param>
    public ChatStore(NpgsqlDataSource database)
    {
        _database = database;
        _batches = new(AddAllAsync, MaxItems, MaxCalls, failed => failed is PostgresException);
    }

    /// <summary>Stores an answered chat.</summary>
    /// <param name="chat">The chat.</param>
    /// <returns>The chat with its number and time; null when its id has a row already.</returns>
    /// <exception cref="NpgsqlException">It may be stored all the same.</exception>
    public Task<StoredChat?> AddAsync(AnsweredChat chat) => _batches.AddAsync(chat);

    /// <summary>Sees to it that a hold has a row: from now on nothing changes what became of it.</summary>
    /// <param name="hold">The hold.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The chat, or the tombstone.</returns>
    public async Task<StoredChat> AddTombstoneAsync(OpenHold hold, CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(TombstoneSql);
        command.CommandTimeout = TimeoutSeconds;
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = hold.Account });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = hold.Id });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = hold.Hash });
        await command.ExecuteNonQueryAsync(cancellationToken);
        // In a statement of its own, which sees the row that stood in the way.
        return (await FindAsync(hold.Account, [hold.Id], cancellationToken))[hold.Id];
    }

    /// <summary>What became of a user's holds.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="holds">Their ids.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The chats and tombstones that there are, by the ids of their holds.</returns>
    public async Task<Dictionary<Guid, StoredChat>> FindAsync(
        long userId, IReadOnlyCollection<Guid> holds, CancellationToken cancellationToken)
    {
        await using var command = _database.CreateCommand(FindSql);
        command.CommandTimeout = TimeoutSeconds;
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = userId });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. holds] });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new Dictionary<Guid, StoredChat>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var chat = new StoredChat
            {
                Id = reader.GetInt64(0),
                CreatedAt = reader.GetFieldValue<DateTimeOffset>(1),
                UserId = userId,
                Status = (ChatStatus)reader.GetInt16(2),
                Message = reader.GetString(3),
                Response = reader.IsDBNull(4) ? null : reader.GetString(4),
                Cost = reader.GetInt64(5),
                Tokens = reader.IsDBNull(6) ? null : reader.GetInt64(6),
                RequestHash = reader.IsDBNull(7) ? null : reader.GetFieldValue<byte[]>(7),
                Model = reader.IsDBNull(8) ? null : reader.GetString(8),
                ConversationId = reader.IsDBNull(9) ? null : reader.GetGuid(9),
                HoldId = reader.GetGuid(10),
            };
            found.Add(chat.HoldId, chat);
        }

        return found;
    }

    private async Task<IReadOnlyList<StoredChat?>> AddAllAsync(IReadOnlyList<AnsweredChat> chats)
    {
        await using var command = _database.CreateCommand(AddSql);
        command.CommandTimeout = TimeoutSeconds;
        Add(command, chats, answered => answered.Chat.UserId);
        Add(command, chats, answered => answered.Chat.Id);
        Add(command, chats, answered => answered.Chat.Message);
        Add(command, chats, answered => answered.Response);
        Add(command, chats, answered => answered.Chat.Cost);
        Add(command, chats, answered => answered.Tokens);
        Add(command, chats, answered => answered.Chat.Hash);
        Add(command, chats, answered => answered.Chat.Model);
        Add(command, chats, answered => answered.Chat.Conversation);
        Add(command, chats, answered => answered.Chat.Conversation is null
            ? null
            : Conversation.TitleOf(answered.Chat.Message));
        var rows = new Dictionary<(long, Guid), (long Id, DateTimeOffset CreatedAt)>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            rows.Add(
                (reader.GetInt64(0), reader.GetGuid(1)),
                (reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3)));
        }

        return [.. chats.Select(answered =>
            rows.TryGetValue((answered.Chat.UserId, answered.Chat.Id), out var row)
                ? answered.ToStored(row.Id, row.CreatedAt)
                : null)];
    }

    private static void Add<TValue>(
        NpgsqlCommand command, IReadOnlyList<AnsweredChat> chats, Func<AnsweredChat, TValue> value) =>
        command.Parameters.Add(new NpgsqlParameter<TValue[]> { TypedValue = [.. chats.Select(value)] });
}
