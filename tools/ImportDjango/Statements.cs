namespace ImportDjango;

/// <summary>
/// The statements of an import. Each is a transaction of its own and names what it writes: it may be done again.
/// </summary>
internal static class Statements
{
    // Who has come, and which id each has here. A dry run has an empty one, which goes with the connection.
    public const string HasMap = "SELECT to_regclass('django_import') IS NOT NULL";
    public const string Map = $"CREATE TABLE {MapTable}";
    public const string EmptyMap = $"CREATE TEMP TABLE {MapTable}";
    public const string Known = "SELECT key, user_id, finished_at IS NOT NULL FROM django_import WHERE key = ANY ($1)";

    public const string Taken = "SELECT normalized_user_name FROM users WHERE normalized_user_name = ANY ($1)";

    public const string Reserve = """
        INSERT INTO django_import (key, user_id)
        SELECT key, nextval(pg_get_serial_sequence('users', 'id')) FROM unnest($1) AS sent (key)
        WHERE NOT EXISTS (SELECT FROM django_import known WHERE known.key = sent.key)
        """;

    // What the ledger does at the first contact of an account. A transfer of 0 does not exist.
    public const string OpenAccounts = $"""
        WITH opened AS (
            INSERT INTO accounts (id, balance, held, version, revision)
            SELECT id, credits, 0, sign(credits), sign(credits) FROM {SentAccounts} ORDER BY id
            ON CONFLICT DO NOTHING RETURNING id)
        INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after)
        SELECT id, transfer, 1, credits, 1, ''::bytea, credits, 0 FROM {SentAccounts} JOIN opened USING (id)
        WHERE credits > 0
        """;

    /// <summary>Those that were opened with these credits, now or before.</summary>
    public const string OpenedAccounts = $"""
        SELECT sent.id FROM {SentAccounts} JOIN accounts a ON a.id = sent.id
        LEFT JOIN transfers t ON t.account = sent.id AND t.id = sent.transfer WHERE coalesce(t.amount, 0) = credits
        """;

    // Status 4 is an imported chat. Rows come in the order in which they are sent, and so do their ids.
    public const string AddChats = $"""
        INSERT INTO chats (user_id, status, message, response, cost, hold_id, created_at)
        SELECT user_id, 4, message, response, 0, key, time FROM {SentChats}
        ORDER BY number ON CONFLICT (user_id, hold_id) DO NOTHING
        """;

    /// <summary>Users of whom something else is there under the id of a chat.</summary>
    public const string OtherChats = $"""
        SELECT DISTINCT sent.user_id FROM {SentChats} LEFT JOIN chats c ON c.user_id = sent.user_id
            AND c.hold_id = sent.key AND c.status = 4 AND c.message = sent.message AND c.response = sent.response
            AND c.created_at = sent.time
        WHERE c.user_id IS NULL
        """;

    /// <summary>Lets users log in, once all that is theirs is here. It says whose names were free.</summary>
    public const string Finish = """
        WITH added AS (
            INSERT INTO users (
                id, user_name, normalized_user_name, password_hash, security_stamp, concurrency_stamp, created_at)
            SELECT id, name, normalized, hash, gen_random_uuid(), gen_random_uuid(), created
            FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
                AS sent (id, name, normalized, hash, created)
            JOIN django_import ON user_id = id AND finished_at IS NULL
            ORDER BY normalized ON CONFLICT DO NOTHING RETURNING id)
        UPDATE django_import SET finished_at = now() FROM added WHERE user_id = id RETURNING user_id
        """;

    private const string MapTable =
        "django_import (key uuid PRIMARY KEY, user_id bigint NOT NULL UNIQUE, finished_at timestamptz)";
    private const string SentAccounts =
        "unnest($1::bigint[], $2::bigint[], $3::uuid[]) AS sent (id, credits, transfer)";

    private const string SentChats = """
        unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) WITH ORDINALITY
            AS sent (user_id, key, message, response, time, number)
        """;
}
