using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>
/// The statements that move tokens. Each is one guarded statement: it locks the user's row, checks, changes the balance
/// and writes the transfer together, or does nothing. The order of locks is always the same, first the one account's
/// row and then the transfer's name, so that no two statements can wait for each other.
/// </summary>
internal sealed class TransferStore(NpgsqlDataSource database)
{
    private const string DebitSql = """
        WITH account AS (
            UPDATE accounts SET balance = balance - $3, version = version + 1
            WHERE id = $2 AND balance >= $3 AND closed_at IS NULL AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            RETURNING balance, version),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, reason, balance_after, version)
            SELECT $1, $2, $4, $3, $5, $6, $7, balance, version FROM account)
        SELECT balance, version FROM account
        """;

    private const string CreditSql = """
        WITH account AS (
            UPDATE accounts SET balance = balance + $3, version = version + 1
            WHERE id = $2 AND balance <= $8 - $3 AND closed_at IS NULL
                AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            RETURNING balance, version),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, reason, balance_after, version)
            SELECT $1, $4, $2, $3, $5, $6, $7, balance, version FROM account)
        SELECT balance, version FROM account
        """;

    private const string RefundSql = """
        WITH charge AS (
            SELECT c.debit_account,
                c.amount - coalesce((SELECT sum(amount) FROM transfers WHERE charge_id = $1), 0)::bigint AS refundable
            FROM transfers c WHERE c.id = $1 AND c.kind = $4),
        account AS (
            UPDATE accounts SET balance = balance + coalesce($6, charge.refundable), version = version + 1
            FROM charge
            WHERE accounts.id = charge.debit_account AND charge.refundable > 0
                AND coalesce($6, 0) <= charge.refundable AND NOT EXISTS (SELECT FROM transfers WHERE id = $2)
            RETURNING accounts.id, charge.refundable, accounts.balance, accounts.version),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, charge_id, refundable, balance_after,
                version)
            SELECT $2, $3, id, coalesce($6, refundable), $5, $7, $1, refundable, balance, version FROM account)
        SELECT balance, version, id, coalesce($6, refundable) FROM account
        """;

    private const string OpenSql = """
        WITH opened AS (
            INSERT INTO accounts (id, balance, version) VALUES ($1, $2, CASE WHEN $2 > 0 THEN 1 ELSE 0 END)
            ON CONFLICT DO NOTHING RETURNING id),
        opening AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, balance_after, version)
            SELECT $3, $4, id, $2, $5, ''::bytea, $2, 1 FROM opened WHERE $2 > 0)
        SELECT id FROM opened
        """;

    private const string CloseSql = """
        UPDATE accounts SET closed_at = coalesce(closed_at, now()) WHERE id = $1 RETURNING balance, version
        """;

    private const string VoidSql = """
        INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, balance_after)
        VALUES ($1, $2, $3, 0, $4, ''::bytea, 0) ON CONFLICT (id) DO NOTHING
        """;

    /// <summary>Takes tokens from a user.</summary>
    /// <returns>
    /// The new balance; null when the account is missing, closed or too small, or the name is taken.
    /// </returns>
    public Task<Balance?> DebitAsync(TransferRequest request, CancellationToken cancellationToken) =>
        BalanceAsync(Command(DebitSql, request, SystemAccount.Revenue), cancellationToken);

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
