using System.Data;
using Npgsql;

namespace Identity.Service;

/// <summary>The statements of an import in identitydb. Each is a transaction of its own, and small.</summary>
/// <param name="database">The database.</param>
internal sealed class ImportStore(NpgsqlDataSource database)
{
    /// <summary>The lock of those who import, in identitydb: "django" in ASCII.</summary>
    private const long LockId = 0x646A616E676F;

    private const string ReadSql =
        "SELECT key, user_id, finished_at IS NOT NULL FROM imported_users WHERE key = ANY ($1)";

    private const string TakenSql = "SELECT normalized_user_name FROM users WHERE normalized_user_name = ANY ($1)";

    private const string ReserveSql = """
        INSERT INTO imported_users (key, user_id)
        SELECT key, nextval(pg_get_serial_sequence('users', 'id')) FROM unnest($1) AS sent (key)
        RETURNING key, user_id
        """;

    private const string FinishSql = """
        WITH finished AS (
            UPDATE imported_users SET finished_at = now() WHERE key = $1 AND finished_at IS NULL RETURNING user_id)
        INSERT INTO users
            (id, user_name, normalized_user_name, password_hash, security_stamp, concurrency_stamp, created_at)
        SELECT user_id, $2, $3, $4, $5, $6, coalesce($7, now()) FROM finished
        """;

    /// <summary>Keeps others from importing at the same time.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Ends the turn when it is disposed; null when somebody else has it.</returns>
    public async Task<IAsyncDisposable?> TakeTurnAsync(CancellationToken cancellationToken)
    {
        var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var command = new NpgsqlCommand($"SELECT pg_try_advisory_lock({LockId})", connection);
        if (await command.ExecuteScalarAsync(cancellationToken) is true)
        {
            return new Turn(connection);
        }

        await connection.DisposeAsync();
        return null;
    }

    /// <summary>Reads what became of some users in earlier runs.</summary>
    /// <param name="keys">Their keys.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<Dictionary<Guid, ImportState>> ReadAsync(Guid[] keys, CancellationToken cancellationToken)
    {
        await using var command = Command(ReadSql, keys);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var states = new Dictionary<Guid, ImportState>();
        while (await rows.ReadAsync(cancellationToken))
        {
            states.Add(rows.GetGuid(0), new(rows.GetInt64(1), rows.GetBoolean(2)));
        }

        return states;
    }

    /// <summary>Which of some names are users' here.</summary>
    /// <param name="names">The normalised names.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<HashSet<string>> TakenAsync(string[] names, CancellationToken cancellationToken)
    {
        await using var command = Command(TakenSql, (object)names); // One value, not one each.
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var taken = new HashSet<string>();
        while (await rows.ReadAsync(cancellationToken))
        {
            taken.Add(rows.GetString(0));
        }

        return taken;
    }

    /// <summary>Gives users their numbers here, for good.</summary>
    /// <param name="keys">Users who have none yet.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<Dictionary<Guid, ImportState>> ReserveAsync(Guid[] keys, CancellationToken cancellationToken)
    {
        await using var command = Command(ReserveSql, keys);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var states = new Dictionary<Guid, ImportState>();
        while (await rows.ReadAsync(cancellationToken))
        {
            states.Add(rows.GetGuid(0), new(rows.GetInt64(1), IsFinished: false));
        }

        return states;
    }

    /// <summary>Lets a user log in, once all that is the user's is here.</summary>
    /// <param name="user">The user.</param>
    /// <param name="normalizedName">The name without case.</param>
    /// <param name="passwordHash">The hash, as it is in Django, or none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UserRefused">Somebody has registered under that name in the meantime.</exception>
    public async Task FinishAsync(
        DjangoUser user, string normalizedName, string passwordHash, CancellationToken cancellationToken)
    {
        await using var command = Command(
            FinishSql, user.Key, user.Name, normalizedName, passwordHash, $"{Guid.NewGuid():N}", $"{Guid.NewGuid()}");
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset?> { TypedValue = user.JoinedAt });
        try
        {
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException taken) when (taken.ConstraintName == User.UniqueNameIndex)
        {
            throw new UserRefused(DjangoImport.NameTaken);
        }
    }

    private NpgsqlCommand Command(string sql, params ReadOnlySpan<object> values)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }

    /// <summary>The pool keeps the connection, and with it the lock.</summary>
    private sealed class Turn(NpgsqlConnection connection) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await using var held = connection;
            if (held.State is ConnectionState.Open) // Otherwise the lock has gone with it.
            {
                await using var done = new NpgsqlCommand($"SELECT pg_advisory_unlock({LockId})", held);
                await done.ExecuteNonQueryAsync();
            }
        }
    }
}

/// <summary>What became of a user in earlier runs.</summary>
/// <param name="UserId">The number here.</param>
/// <param name="IsFinished">Whether there is nothing left to do.</param>
internal readonly record struct ImportState(long UserId, bool IsFinished);
