using System.Data;
using System.Runtime.CompilerServices;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Service.Verification;

/// <summary>
/// Computes everything that can be computed from the transfers once more, and compares it with what is written. May
/// run while the ledger works: Postgres shows it one moment of the books.
/// </summary>
internal sealed class LedgerVerifier(NpgsqlDataSource database, TokenLedger ledger, BalanceCache cache)
{
    // Each of them: $1 are the accounts to verify; all when null.

    /// <summary>Sums and counts, account by account; also transfers and holds of accounts that are not there.</summary>
    private const string AccountsSql = """
        SELECT coalesce(a.id, t.account, h.account_id), a.balance, a.version, coalesce(t.balance, 0),
            coalesce(t.count, 0), a.held, coalesce(h.amount, 0)
        FROM (SELECT * FROM accounts WHERE $1::bigint[] IS NULL OR id = ANY ($1)) a
        FULL JOIN (
            SELECT account, count(*) AS count, sum(amount)::bigint AS balance
            FROM transfers WHERE $1 IS NULL OR account = ANY ($1) GROUP BY account) t ON t.account = a.id
        FULL JOIN (
            SELECT account_id, sum(amount)::bigint AS amount
            FROM holds WHERE $1 IS NULL OR account_id = ANY ($1) GROUP BY account_id) h ON h.account_id = a.id
        WHERE a.balance IS DISTINCT FROM coalesce(t.balance, 0) OR a.version IS DISTINCT FROM coalesce(t.count, 0)
            OR a.held IS DISTINCT FROM coalesce(h.amount, 0)
        """;

    /// <summary>Each transfer continues the one before it: its number and the balance after it follow.</summary>
    private const string TransfersSql = """
        SELECT id, account, version, balance_after, expected_version, expected_balance FROM (
            SELECT id, account, version, balance_after,
                lag(version, 1, 0::bigint) OVER w + 1 AS expected_version,
                lag(balance_after, 1, 0::bigint) OVER w + amount AS expected_balance
            FROM transfers WHERE $1::bigint[] IS NULL OR account = ANY ($1)
            WINDOW w AS (PARTITION BY account ORDER BY version)) chained
        WHERE version <> expected_version OR balance_after <> expected_balance
        """;

    /// <summary>Sums, API key by API key; also transfers of keys that are not there.</summary>
    private const string KeysSql = """
        SELECT * FROM (
            SELECT account, key_id, k.total, k.today, k.this_month, coalesce(sum(t.amount), 0)::bigint AS expected_total,
                coalesce(sum(t.amount) FILTER (WHERE t.day = k.day), 0)::bigint AS expected_today,
                coalesce(sum(t.amount) FILTER (WHERE month_of(t.day) = month_of(k.day)), 0)::bigint AS expected_month
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
        """;

    /// <summary>What accounts have spent in their latest month.</summary>
    private const string MonthsSql = """
        SELECT id, this_month, coalesce(sum(amount), 0)::bigint AS expected
        FROM (SELECT * FROM accounts WHERE $1::bigint[] IS NULL OR id = ANY ($1)) a
        LEFT JOIN (
            SELECT account, day, -amount AS amount FROM transfers
            WHERE day IS NOT NULL AND ($1 IS NULL OR account = ANY ($1))
            UNION ALL
            SELECT account_id, day, amount FROM holds WHERE $1 IS NULL OR account_id = ANY ($1)) t
            ON t.account = a.id AND month_of(t.day) = a.month
        GROUP BY id, this_month HAVING this_month <> coalesce(sum(amount), 0)
        """;

    /// <summary>Accounts with transfers of late ($1), or with open holds.</summary>
    private const string ChangedSql =
        "SELECT account FROM transfers WHERE created_at >= $1 UNION SELECT account_id FROM holds ORDER BY 1";

    /// <summary>How many rows there are, for the report.</summary>
    private const string CountSql =
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM transfers WHERE $1::bigint[] IS NULL)";

    /// <summary>How much memory a sort may take before it goes to disk.</summary>
    private const string WorkMemory = "SET LOCAL work_mem = '256MB'";

    /// <summary>The accounts that have changed.</summary>
    /// <param name="since">By the clock of the database. A release alone leaves nothing to find.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<List<long>> ChangedAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var command = database.Command(ChangedSql, since.ToUniversalTime());
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        var accounts = new List<long>();
        while (await rows.ReadAsync(cancellationToken))
        {
            accounts.Add(rows.GetInt64(0));
        }

        return accounts;
    }

    /// <summary>Verifies accounts, transfers, holds and what API keys have spent, at one moment.</summary>
    /// <param name="accounts">Which accounts; all when null.</param>
    /// <param name="report">Says what is being done, since it may take a minute.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Every row that is off.</returns>
    public async IAsyncEnumerable<Drift> VerifyBooksAsync(
        long[]? accounts, IProgress<string>? report, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var moment = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead, cancellationToken);
        await using (var memory = new NpgsqlCommand(WorkMemory, connection))
        {
            await memory.ExecuteNonQueryAsync(cancellationToken);
        }

        if (report is not null)
        {
            await foreach (var row in ReadAsync(connection, CountSql, accounts, cancellationToken))
            {
                report.Report($"{row.GetInt64(0):N0} accounts and {row.GetInt64(1):N0} transfers");
            }
        }

        report?.Report("Balances of accounts …");
        await foreach (var row in ReadAsync(connection, AccountsSql, accounts, cancellationToken))
        {
            var name = $"account {row.GetInt64(0)}";
            yield return row.IsDBNull(1)
                ? new Drift(name, $"it has {row.GetInt64(4)} transfers and no row")
                : row.GetInt64(5) != row.GetInt64(6)
                    ? new Drift(name, $"{row.GetInt64(5)} are held, its open holds add up to {row.GetInt64(6)}")
                : row.GetInt64(1) != row.GetInt64(3)
                    ? new Drift(name, $"its balance is {row.GetInt64(1)}, its transfers add up to {row.GetInt64(3)}")
                    : new Drift(name, $"its version is {row.GetInt64(2)}, it has {row.GetInt64(4)} transfers");
        }

        report?.Report("Balances after each transfer …");
        await foreach (var row in ReadAsync(connection, TransfersSql, accounts, cancellationToken))
        {
            yield return new Drift(
                $"transfer {row.GetGuid(0)}",
                row.GetInt64(2) != row.GetInt64(4)
                    ? $"it is number {row.GetInt64(2)} of account {row.GetInt64(1)}, and {row.GetInt64(4)} is missing"
                    : $"the balance after it is {row.GetInt64(3)}, it must be {row.GetInt64(5)}");
        }

        report?.Report("API keys …");
        await foreach (var row in ReadAsync(connection, KeysSql, accounts, cancellationToken))
        {
            yield return KeyDrift(row);
        }

        report?.Report("Months …");
        await foreach (var row in ReadAsync(connection, MonthsSql, accounts, cancellationToken))
        {
            yield return new Drift(
                $"account {row.GetInt64(0)}",
                $"it spent {row.GetInt64(1)} in its month, transfers and holds say {row.GetInt64(2)}");
        }
    }

    private static Drift KeyDrift(NpgsqlDataReader row)
    {
        var name = $"key {row.GetInt64(1)} of account {row.GetInt64(0)}";
        return row.IsDBNull(2)
            ? new Drift(name, $"it has spent {row.GetInt64(5)} tokens and has no row")
            : row.GetInt64(2) != row.GetInt64(5)
                ? new Drift(name, $"it has spent {row.GetInt64(2)}, transfers and holds add up to {row.GetInt64(5)}")
            : row.GetInt64(3) != row.GetInt64(6)
                ? new Drift(name, $"it spent {row.GetInt64(3)} on its day, transfers and holds say {row.GetInt64(6)}")
                : new Drift(name, $"it spent {row.GetInt64(4)} in its month, transfers and holds say {row.GetInt64(7)}");
    }

    /// <summary>
    /// Verifies the cache. A balance there may be an older one, which ends within seconds; it may not be one that the
    /// account has never had.
    /// </summary>
    /// <param name="cancellationToken">Ends it.</param>
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
