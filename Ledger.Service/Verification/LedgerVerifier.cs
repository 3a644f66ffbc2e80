using System.Data;
using System.Runtime.CompilerServices;
using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Verification;

/// <summary>
/// Computes everything that can be computed from the transfers once more, and compares it with what is written. May
/// run while the ledger works: Postgres shows it one moment of the books.
/// </summary>
internal sealed class LedgerVerifier(NpgsqlDataSource database, AccountLedger ledger, BalanceCache cache)
{
    /// <summary>
    /// Each names rows that are off, and says what is wrong with them. $1 are the accounts to verify; all when null.
    /// </summary>
    private static readonly (string Part, string Sql)[] Checks =
    [
        // Sums and counts, account by account; also transfers and holds of accounts that are not there.
        ("Balances of accounts …", """
            SELECT 'account ' || coalesce(a.id, t.account, h.account_id), CASE
                WHEN a.id IS NULL THEN format('it has %s transfers and no row', coalesce(t.count, 0))
                WHEN a.held <> coalesce(h.amount, 0)
                    THEN format('%s are held, its open holds add up to %s', a.held, coalesce(h.amount, 0))
                WHEN a.balance <> coalesce(t.balance, 0)
                    THEN format('its balance is %s, its transfers add up to %s', a.balance, coalesce(t.balance, 0))
                ELSE format('its version is %s, it has %s transfers', a.version, coalesce(t.count, 0)) END
            FROM (SELECT * FROM accounts WHERE $1::bigint[] IS NULL OR id = ANY ($1)) a
            FULL JOIN (
                SELECT account, count(*) AS count, sum(amount)::bigint AS balance
                FROM transfers WHERE $1 IS NULL OR account = ANY ($1) GROUP BY account) t ON t.account = a.id
            FULL JOIN (
                SELECT account_id, sum(amount)::bigint AS amount
                FROM holds WHERE $1 IS NULL OR account_id = ANY ($1) GROUP BY account_id) h ON h.account_id = a.id
            WHERE a.balance IS DISTINCT FROM coalesce(t.balance, 0) OR a.version IS DISTINCT FROM coalesce(t.count, 0)
                OR a.held IS DISTINCT FROM coalesce(h.amount, 0)
            """),
        // Each transfer continues the one before it: its number and the balance after it follow.
        ("Balances after each transfer …", """
            SELECT 'transfer ' || id, CASE WHEN version <> expected_version
                THEN format('it is number %s of account %s, and %s is missing', version, account, expected_version)
                ELSE format('the balance after it is %s, it must be %s', balance_after, expected_balance) END
            FROM (
                SELECT id, account, version, balance_after,
                    lag(version, 1, 0::bigint) OVER w + 1 AS expected_version,
                    lag(balance_after, 1, 0::bigint) OVER w + amount AS expected_balance
                FROM transfers WHERE $1::bigint[] IS NULL OR account = ANY ($1)
                WINDOW w AS (PARTITION BY account ORDER BY version)) chained
            WHERE version <> expected_version OR balance_after <> expected_balance
            """),
        // Sums, API key by API key; also transfers of keys that are not there.
        ("API keys …", """
            SELECT format('key %s of account %s', key_id, account), CASE
                WHEN total IS NULL THEN format('it has spent %s tokens and has no row', expected_total)
                WHEN total <> expected_total
                    THEN format('it has spent %s, transfers and holds add up to %s', total, expected_total)
                WHEN today <> expected_today
                    THEN format('it spent %s on its day, transfers and holds say %s', today, expected_today)
                ELSE format('it spent %s in its month, transfers and holds say %s', this_month, expected_month) END
            FROM (
                SELECT account, key_id, k.total, k.today, k.this_month,
                    coalesce(sum(t.amount), 0) AS expected_total,
                    coalesce(sum(t.amount) FILTER (WHERE t.day = k.day), 0) AS expected_today,
                    coalesce(sum(t.amount) FILTER (WHERE month_of(t.day) = month_of(k.day)), 0) AS expected_month
                FROM (SELECT * FROM key_spending WHERE $1::bigint[] IS NULL OR account = ANY ($1)) k
                FULL JOIN (
                    SELECT account, key_id, day, -amount AS amount FROM transfers
                    WHERE key_id IS NOT NULL AND ($1 IS NULL OR account = ANY ($1))
                    UNION ALL
                    SELECT account_id, key_id, day, amount FROM holds
                    WHERE key_id IS NOT NULL AND ($1 IS NULL OR account_id = ANY ($1))) t USING (account, key_id)
                GROUP BY account, key_id, k.total, k.today, k.this_month) keys
            WHERE total IS DISTINCT FROM expected_total OR today IS DISTINCT FROM expected_today
                OR this_month IS DISTINCT FROM expected_month
            """),
        ("Months …", """
            SELECT 'account ' || id, format(
                'it spent %s in its month, transfers and holds say %s', this_month, coalesce(sum(amount), 0))
            FROM (SELECT * FROM accounts WHERE $1::bigint[] IS NULL OR id = ANY ($1)) a
            LEFT JOIN (
                SELECT account, day, -amount AS amount FROM transfers
                WHERE day IS NOT NULL AND ($1 IS NULL OR account = ANY ($1))
                UNION ALL
                SELECT account_id, day, amount FROM holds WHERE $1 IS NULL OR account_id = ANY ($1)) t
                ON t.account = a.id AND month_of(t.day) = a.month
            GROUP BY id, this_month HAVING this_month <> coalesce(sum(amount), 0)
            """),
    ];

    /// <summary>Accounts with transfers of late ($1), or with open holds.</summary>
    private const string ChangedSql =
        "SELECT account FROM transfers WHERE created_at >= $1 UNION SELECT account_id FROM holds ORDER BY 1";

    /// <summary>How many rows there are, for the report.</summary>
    private const string CountSql =
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM transfers WHERE $1::bigint[] IS NULL)";

    /// <summary>
    /// The accounts that have changed, by the clock of the database. A release alone leaves nothing to find.
    /// </summary>
    public async Task<List<long>> ChangedAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var command = database.Command(ChangedSql, since.ToUniversalTime());
        return await command.ReadAllAsync(row => row.GetInt64(0), cancellationToken);
    }

    /// <summary>
    /// Verifies the books of some accounts, or all, at one moment, and says what it does: it may take a minute.
    /// </summary>
    /// <returns>Every row that is off.</returns>
    public async IAsyncEnumerable<Drift> VerifyBooksAsync(
        long[]? accounts, Action<string>? report, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var moment = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead, cancellationToken);
        // What a sort may take before it goes to disk.
        await using var memory = new NpgsqlCommand("SET LOCAL work_mem = '256MB'", connection);
        await memory.ExecuteNonQueryAsync(cancellationToken);

        if (report is not null)
        {
            await foreach (var row in ReadAsync(connection, CountSql, accounts, cancellationToken))
            {
                report($"{row.GetInt64(0):N0} accounts and {row.GetInt64(1):N0} transfers");
            }
        }

        foreach (var (part, sql) in Checks)
        {
            report?.Invoke(part);
            await foreach (var row in ReadAsync(connection, sql, accounts, cancellationToken))
            {
                yield return new Drift(row.GetString(0), row.GetString(1));
            }
        }
    }

    /// <summary>
    /// Verifies the cache. A balance there may be an older one, which ends within seconds; it may not be one that the
    /// account has never had.
    /// </summary>
    /// <returns>Every value that is off.</returns>
    public async IAsyncEnumerable<Drift> VerifyCacheAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var (key, account, held) in cache.ReadAllAsync(cancellationToken))
        {
            if (account is null || held is not { } value)
            {
                yield return new Drift($"cache {key}", "the ledger has not written this value; it is not believed");
                continue;
            }

            // Read after the cache, so that the account cannot be behind it.
            var now = (await ledger.FindAsync(account.Value, cancellationToken))?.Spendable ?? default;
            if (value.Revision > now.Revision || (value.Revision == now.Revision && value.Tokens != now.Tokens))
            {
                yield return new Drift(
                    $"cache {key}", $"it holds {value.Tokens} tokens, account {account} has {now.Tokens}");
            }
        }
    }

    private static async IAsyncEnumerable<NpgsqlDataReader> ReadAsync(
        NpgsqlConnection connection,
        string sql,
        long[]? accounts,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        command.Parameters.Add(new NpgsqlParameter<long[]?> { TypedValue = accounts });
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            yield return rows;
        }
    }
}

/// <summary>A row that is not what the transfers say it must be.</summary>
/// <param name="Row">Which: "account 7", "transfer 0198…", "cache balance:7".</param>
/// <param name="Problem">What is wrong with it.</param>
internal sealed record Drift(string Row, string Problem)
{
    public override string ToString() => $"{Row}: {Problem}";
}
