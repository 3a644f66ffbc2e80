using Npgsql;

namespace ImportDjango;

/// <summary>AspireChat's databases, whose schemas are there, and the turn to import into them.</summary>
internal sealed class Databases(ImportSettings settings) : IAsyncDisposable
{
    // The lock of those who import, in identitydb: "django" in ASCII.
    private const string TakeTurn = "SELECT pg_try_advisory_lock(x'646A616E676F'::bigint)";

    public NpgsqlConnection Identity { get; } = new();
    public NpgsqlConnection Ledger { get; } = new();
    public NpgsqlConnection Chat { get; } = new();

    /// <summary>Finds what is missing before anything is written.</summary>
    /// <exception cref="ImportProblem">A database cannot be used, or another import is running.</exception>
    public async Task OpenAsync()
    {
        await OpenAsync(
            Identity, "identitydb", settings.IdentityDb,
            "SELECT user_name, normalized_user_name, password_hash, security_stamp, created_at FROM users LIMIT 0");
        await OpenAsync(Ledger, "ledgerdb", settings.LedgerDb, """
            SELECT a.balance, a.held, a.version, a.revision, t.version, t.amount, t.kind, t.request_hash,
                t.balance_after, t.held_after FROM accounts a, transfers t LIMIT 0
            """);
        await OpenAsync(
            Chat, "chatdb", settings.ChatDb,
            "SELECT status, message, response, cost, hold_id, created_at FROM chats LIMIT 0");
        if (await Identity.ReadAsync(TakeTurn, row => row.GetBoolean(0)) is [false])
        {
            throw new ImportProblem("Another import is running on this system. Wait for it, or end it.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Identity.DisposeAsync();
        await Ledger.DisposeAsync();
        await Chat.DisposeAsync();
    }

    private static async Task OpenAsync(NpgsqlConnection database, string name, string? connection, string needed)
    {
        try
        {
            database.ConnectionString = connection;
            await database.OpenAsync();
            await database.ReadAsync(needed, _ => 0);
        }
        catch (PostgresException missing) when (
            missing.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedColumn)
        {
            throw new ImportProblem(
                $"The database '{name}' does not have the schema of this version ({missing.MessageText}). Start "
                + "AspireChat once, which makes it, and use the tool that came with it.");
        }
        catch (Exception failed) when (failed is NpgsqlException or ArgumentException)
        {
            throw new ImportProblem($"The database '{name}' cannot be used: {failed.Message}");
        }
    }
}

/// <summary>Statements on a connection.</summary>
internal static class Reading
{
    /// <summary>Runs a statement, a transaction of its own.</summary>
    /// <returns>The rows.</returns>
    public static async Task<List<T>> ReadAsync<T>(
        this NpgsqlConnection database, string sql, Func<NpgsqlDataReader, T> map, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, database);
        command.Parameters.AddRange(Array.ConvertAll(values, value => new NpgsqlParameter { Value = value }));
        await using var rows = await command.ExecuteReaderAsync();
        var all = new List<T>();
        while (await rows.ReadAsync())
        {
            all.Add(map(rows));
        }

        return all;
    }
}
