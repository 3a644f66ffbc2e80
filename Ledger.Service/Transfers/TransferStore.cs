using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>
/// The statements that move tokens. Each is one guarded statement: it locks the user's row, checks, changes the balance
/// and writes the transfer together, or does nothing. The order of locks is always the same, first the one account's
/// row and then the transfer's name, so that no two statements can wait for each other. What an account's API keys have
/// spent is changed under the lock of the account's row alone, so that nobody ever waits for that.
/// </summary>
internal sealed class TransferStore(NpgsqlDataSource database)
{
    private const string DebitSql = """
        WITH account AS (
            UPDATE accounts SET balance = balance - $3, version = version + 1, revision = revision + 1
            WHERE id = $2 AND balance - held >= $3 AND closed_at IS NULL
                AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            RETURNING balance, held, version, revision),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, reason, origin, balance_after, version)
            SELECT $1, $2, $4, $3, $5, $6, $7, $8, balance, version FROM account)
        SELECT balance - held, revision FROM account
        """;

    /// <summary>
    /// The account is locked and checked before the key is, and changed after: a statement that has changed one of them
    /// cannot go back when the other refuses. A day that is behind the key's comes from a slow clock, and counts for
    /// that of the key.
    /// </summary>
    private const string KeyDebitSql = """
        WITH locked AS (
            SELECT id FROM accounts
            WHERE id = $2 AND balance - held >= $3 AND closed_at IS NULL
                AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            FOR NO KEY UPDATE),
        key AS (
            INSERT INTO key_spending AS k (account, key_id, total, day, today)
            SELECT id, $9, $3, $12, $3 FROM locked
            WHERE ($10 IS NULL OR $3 <= $10) AND ($11 IS NULL OR $3 <= $11)
            ON CONFLICT (account, key_id) DO UPDATE SET total = k.total + $3, day = greatest(k.day, $12),
                today = CASE WHEN k.day >= $12 THEN k.today + $3 ELSE $3 END
            WHERE ($10 IS NULL OR k.total + $3 <= $10)
                AND ($11 IS NULL OR CASE WHEN k.day >= $12 THEN k.today + $3 ELSE $3 END <= $11)
            RETURNING account, key_id, day),
        account AS (
            UPDATE accounts SET balance = balance - $3, version = version + 1, revision = revision + 1
            FROM key WHERE accounts.id = key.account
            RETURNING balance, held, version, revision, key_id, day),
        transfer AS (
            INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, reason, origin,
                balance_after, version, key_id, key_day)
            SELECT $1, $2, $4, $3, $5, $6, $7, $8, balance, version, key_id, day FROM account)
        SELECT balance - held, revision FROM account
        """;

    private const string CreditSql = """
        WITH account AS (
            UPDATE accounts SET balance = balance + $3, version = version + 1, revision = revision + 1
            WHERE id = $2 AND balance <= $8 - $3 AND closed_at IS NULL
                AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            RETURNING balance, held, version, revision),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, reason, balance_after, version)
            SELECT $1, $4, $2, $3, $5, $6, $7, balance, version FROM account)
        SELECT balance - held, revision FROM account
        """;

    /// <summary>
    /// The API key of the charge gets its tokens back after the transfer is written: of two refunds that saw the same
    /// rest, the second ends there.
    /// </summary>
    private const string RefundSql = """
        WITH charge AS (
            SELECT c.debit_account,
                c.amount - coalesce((SELECT sum(amount) FROM transfers WHERE charge_id = $1), 0)::bigint AS refundable,
                c.key_id, c.key_day
            FROM transfers c WHERE c.id = $1 AND c.kind = $4),
        account AS (
            UPDATE accounts SET balance = balance + coalesce($6, charge.refundable), version = version + 1,
                revision = revision + 1
            FROM charge
            WHERE accounts.id = charge.debit_account AND charge.refundable > 0
                AND coalesce($6, 0) <= charge.refundable AND NOT EXISTS (SELECT FROM transfers WHERE id = $2)
            RETURNING accounts.id, charge.refundable, coalesce($6, charge.refundable) AS amount, charge.key_id,
                charge.key_day, accounts.balance, accounts.held, accounts.version, accounts.revision),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, charge_id, refundable, balance_after,
                version, key_id, key_day)
            SELECT $2, $3, id, amount, $5, $7, $1, refundable, balance, version, key_id, key_day FROM account
            RETURNING account, amount, key_id, key_day),
        key AS (
            UPDATE key_spending k SET total = total - amount,
                today = today - CASE WHEN day = transfer.key_day THEN amount ELSE 0 END
            FROM transfer WHERE k.account = transfer.account AND k.key_id = transfer.key_id)
        SELECT balance - held, revision, id, amount FROM account
        """;

    private const string OpenSql = """
        WITH opened AS (
            INSERT INTO accounts (id, balance, version, revision)
            VALUES ($1, $2, CASE WHEN $2 > 0 THEN 1 ELSE 0 END, CASE WHEN $2 > 0 THEN 1 ELSE 0 END)
            ON CONFLICT DO NOTHING RETURNING id),
        opening AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, balance_after, version)
            SELECT $3, $4, id, $2, $5, ''::bytea, $2, 1 FROM opened WHERE $2 > 0)
        SELECT id FROM opened
        """;

    private const string CloseSql = """
        UPDATE accounts SET closed_at = coalesce(closed_at, now()) WHERE id = $1
        RETURNING balance - held, revision
        """;

    private const string VoidSql = """
        INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, balance_after)
        VALUES ($1, $2, $3, 0, $4, ''::bytea, 0) ON CONFLICT (id) DO NOTHING
        """;

    /// <summary>Takes tokens from a user.</summary>
    /// <returns>
    /// The new balance; null when the account is missing, closed or too small, the API key may not spend that much
    /// more, or the name is taken.
    /// </returns>
    public Task<Balance?> DebitAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        var command = Command(request.Key is null ? DebitSql : KeyDebitSql, request, SystemAccount.Revenue);
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = request.Origin });
        if (request.Key is not { } key)
        {
            return BalanceAsync(command, cancellationToken);
        }

        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = key.Id });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = key.Limit });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = key.DailyLimit });
        command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = key.Day });
        return BalanceAsync(command, cancellationToken);
    }

    /// <summary>Gives tokens to a user.</summary>
    /// <returns>
    /// The new balance; null when the account is missing, closed or too full, or the name is taken.
    /// </returns>
    public Task<Balance?> CreditAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        var command = Command(CreditSql, request, SystemAccount.Issuance);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = Balance.Max });
        return BalanceAsync(command, cancellationToken);
    }

    /// <summary>Gives a charge back, or part of it.</summary>
    /// <returns>
    /// The account, its new balance, and how much was given back; null when there is no such charge, less is left of it
    /// than was asked for, the name is taken, or another refund came in between.
    /// </returns>
    public async Task<(long Account, Balance Balance, long Amount)?> RefundAsync(
        RefundRequest request, CancellationToken cancellationToken)
    {
        await using var command = database.Command(
            RefundSql,
            request.Charge,
            request.Id,
            SystemAccount.Revenue,
            (short)TransferKind.Charge,
            (short)TransferKind.Refund);
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = request.Amount });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = request.Hash() });
        try
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken)
                ? (reader.GetInt64(2), new Balance(reader.GetInt64(0), reader.GetInt64(1)), reader.GetInt64(3))
                : null;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Another request gave back some of it while this one waited for the account's row.
            return null;
        }
    }

    /// <summary>
    /// Takes the name of a charge that is not there. Waits for a charge of that name that is being written.
    /// </summary>
    /// <returns>Whether the name was free.</returns>
    public async Task<bool> VoidAsync(Guid charge, CancellationToken cancellationToken)
    {
        await using var command = database.Command(
            VoidSql, charge, SystemAccount.Issuance, SystemAccount.Revenue, (short)TransferKind.Void);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>Opens an account, once, however many ask for it at the same time.</summary>
    /// <returns>Whether this call has opened it.</returns>
    public async Task<bool> OpenAsync(long account, Guid transfer, long tokens, CancellationToken cancellationToken)
    {
        await using var command = database.Command(
            OpenSql, account, tokens, transfer, SystemAccount.Issuance, (short)TransferKind.Opening);
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <summary>Closes an account. Closing a closed one changes nothing.</summary>
    /// <returns>Its balance, which it keeps; null when there is no such account.</returns>
    public Task<Balance?> CloseAsync(long account, CancellationToken cancellationToken) =>
        BalanceAsync(database.Command(CloseSql, account), cancellationToken);

    private NpgsqlCommand Command(string sql, TransferRequest request, long systemAccount)
    {
        var command = database.Command(
            sql, request.Id, request.Account, request.Amount, systemAccount, (short)request.Kind, request.Hash());
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = request.Reason });
        return command;
    }

    private static async Task<Balance?> BalanceAsync(NpgsqlCommand statement, CancellationToken cancellationToken)
    {
        await using var command = statement;
        try
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken)
                ? new Balance(reader.GetInt64(0), reader.GetInt64(1))
                : null;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Another request wrote a transfer of this name while this one waited for the account's row.
            return null;
        }
    }
}
