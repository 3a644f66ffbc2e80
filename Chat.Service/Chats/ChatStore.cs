using Chat.Service.Conversations;
using Chat.Service.Models;
using Npgsql;

namespace Chat.Service.Chats;

/// <summary>A chat that a model has answered, to be stored.</summary>
/// <param name="Chat">What was asked.</param>
/// <param name="Model">Who was asked.</param>
/// <param name="Reply">What the model answered.</param>
/// <param name="Hold">The credits that are held for it.</param>
internal sealed record AnsweredChat(PendingChat Chat, ChatModel Model, Reply Reply, HoldResult Hold)
{
    /// <summary>Gets what it costs by its price, in credits.</summary>
    public long Price { get; } = Model.Price.Of(Reply.Usage);

    /// <summary>Gets what is taken: never more than is held.</summary>
    public long Cost => Math.Min(Price, Hold.Amount);

    /// <summary>Gets the credits that the user can spend once it is paid.</summary>
    public long Tokens => Hold.Available + Hold.Amount - Cost;

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
        Response = Reply.Text,
        Cost = Cost,
        Tokens = Tokens,
        HoldId = Chat.Id,
        RequestHash = Chat.Hash,
        Model = Model.Name,
        IsModelNamed = Chat.Model is not null,
        ConversationId = Chat.Conversation,
        AnsweredBy = Reply.AnsweredBy,
        InputTokens = Reply.Usage.InputTokens,
        CachedTokens = Reply.Usage.CachedTokens,
        OutputTokens = Reply.Usage.OutputTokens,
        IsUsageEstimated = Reply.Usage.IsEstimated,
        Price = Model.Price.Json,
        FinishReason = Reply.FinishReason,
        FirstPieceMs = (int)Reply.FirstPieceAfter.TotalMilliseconds,
        DurationMs = (int)Reply.Duration.TotalMilliseconds,
        KeyId = Chat.Key?.Id,
    };
}

/// <summary>The statements of a chat's path. Chats are stored in batches.</summary>
internal sealed class ChatStore
{
    private const int MaxItems = 64;
    private const int MaxCalls = 2;
    private const int TimeoutSeconds = 10;

    private const string Columns = """
        user_id, hold_id, message, response, cost, tokens, request_hash, model, is_model_named, conversation_id,
        answered_by, input_tokens, cached_tokens, output_tokens, is_usage_estimated, price, finish_reason,
        first_piece_ms, duration_ms, key_id
        """;

    // A conversation begins with its first chat, and in the same commit. The usage counts what was inserted: a chat
    // that is stored twice counts once. Both are written in the order of their keys, so that no two batches wait for
    // each other.
    private const string AddSql = $"""
        WITH answered AS (
          SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21) WITH ORDINALITY AS a ({Columns}, title, number)
        ), chat AS (
          INSERT INTO chats (status, {Columns}) SELECT 1, {Columns} FROM answered ORDER BY number
          ON CONFLICT (user_id, hold_id) DO NOTHING
          RETURNING user_id, hold_id, id, created_at, conversation_id, cost, model, input_tokens, cached_tokens,
            output_tokens, is_usage_estimated, key_id
        ), conversation AS (
          INSERT INTO conversations (user_id, id, title, created_at, updated_at)
          SELECT DISTINCT ON (user_id, chat.conversation_id)
            user_id, chat.conversation_id, title, created_at, created_at
          FROM chat JOIN answered USING (user_id, hold_id) WHERE chat.conversation_id IS NOT NULL
          ORDER BY user_id, chat.conversation_id, number
          ON CONFLICT (user_id, id) DO UPDATE SET updated_at = greatest(conversations.updated_at, excluded.updated_at)
        ), used AS (
          INSERT INTO usage AS u (user_id, day, model, key_id, requests, input_tokens, cached_tokens, output_tokens,
            credits, estimated)
          SELECT user_id, (created_at AT TIME ZONE 'UTC')::date AS day, model, coalesce(key_id, 0) AS key, count(*),
            sum(input_tokens)::bigint, sum(cached_tokens)::bigint, sum(output_tokens)::bigint, sum(cost)::bigint,
            count(*) FILTER (WHERE is_usage_estimated)
          FROM chat GROUP BY user_id, day, model, key ORDER BY user_id, day, model, key
          ON CONFLICT (user_id, day, model, key_id) DO UPDATE SET requests = u.requests + excluded.requests,
            input_tokens = u.input_tokens + excluded.input_tokens,
            cached_tokens = u.cached_tokens + excluded.cached_tokens,
            output_tokens = u.output_tokens + excluded.output_tokens,
            credits = u.credits + excluded.credits, estimated = u.estimated + excluded.estimated
        )
        SELECT user_id, hold_id, id, created_at FROM chat
        """;

    private const string TombstoneSql = """
        INSERT INTO chats (user_id, hold_id, status, message, cost, request_hash) VALUES ($1, $2, 2, '', 0, $3)
        ON CONFLICT (user_id, hold_id) DO NOTHING
        """;

    private const string FindSql = $"""
        SELECT {Columns}, id, created_at, status FROM chats WHERE user_id = $1 AND hold_id = ANY ($2)
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
                UserId = userId,
                HoldId = reader.GetGuid(1),
                Message = reader.GetString(2),
                Response = Optional<string>(3),
                Cost = reader.GetInt64(4),
                Tokens = Optional<long?>(5),
                RequestHash = Optional<byte[]>(6),
                Model = Optional<string>(7),
                IsModelNamed = reader.GetBoolean(8),
                ConversationId = Optional<Guid?>(9),
                AnsweredBy = Optional<string>(10),
                InputTokens = Optional<long?>(11),
                CachedTokens = Optional<long?>(12),
                OutputTokens = Optional<long?>(13),
                IsUsageEstimated = Optional<bool?>(14),
                Price = Optional<string>(15),
                FinishReason = Optional<string>(16),
                FirstPieceMs = Optional<int?>(17),
                DurationMs = Optional<int?>(18),
                KeyId = Optional<long?>(19),
                Id = reader.GetInt64(20),
                CreatedAt = reader.GetFieldValue<DateTimeOffset>(21),
                Status = (ChatStatus)reader.GetInt16(22),
            };
            found.Add(chat.HoldId, chat);
        }

        return found;

        TValue? Optional<TValue>(int column) =>
            reader.IsDBNull(column) ? default : reader.GetFieldValue<TValue>(column);
    }

    private async Task<IReadOnlyList<StoredChat?>> AddAllAsync(IReadOnlyList<AnsweredChat> chats)
    {
        await using var command = _database.CreateCommand(AddSql);
        command.CommandTimeout = TimeoutSeconds;
        Add(command, chats, answered => answered.Chat.UserId);
        Add(command, chats, answered => answered.Chat.Id);
        Add(command, chats, answered => answered.Chat.Message);
        Add(command, chats, answered => answered.Reply.Text);
        Add(command, chats, answered => answered.Cost);
        Add(command, chats, answered => answered.Tokens);
        Add(command, chats, answered => answered.Chat.Hash);
        Add(command, chats, answered => answered.Model.Name);
        Add(command, chats, answered => answered.Chat.Model is not null);
        Add(command, chats, answered => answered.Chat.Conversation);
        Add(command, chats, answered => answered.Reply.AnsweredBy);
        Add(command, chats, answered => answered.Reply.Usage.InputTokens);
        Add(command, chats, answered => answered.Reply.Usage.CachedTokens);
        Add(command, chats, answered => answered.Reply.Usage.OutputTokens);
        Add(command, chats, answered => answered.Reply.Usage.IsEstimated);
        Add(command, chats, answered => answered.Model.Price.Json);
        Add(command, chats, answered => answered.Reply.FinishReason);
        Add(command, chats, answered => (int)answered.Reply.FirstPieceAfter.TotalMilliseconds);
        Add(command, chats, answered => (int)answered.Reply.Duration.TotalMilliseconds);
        Add(command, chats, answered => answered.Chat.Key?.Id);
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
