using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>
/// The statements that move tokens. Each is one guarded statement: it locks the user's row, checks, changes the balance
/// and writes the transfer together, or does nothing. Only one row is ever locked, so no order of locks is needed.
/// </summary>
internal sealed class TransferStore(NpgsqlDataSource database)
{
    private const string DebitSql = """
        WITH debit AS (
            UPDATE accounts SET balance = balance - $3, version = version + 1
            WHERE id = $2 AND balance >= $3 AND NOT EXISTS (SELECT FROM transfers WHERE id = $1)
            RETURNING balance, version),
        transfer AS (
            INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, reason, balance_after)
            SELECT $1, $2, $4, $3, $5, $6, $7, balance FROM debit)
        SELECT balance, version FROM debit
        """;

    private const string RefundSql = """
        WITH charge AS (
            SELECT debit_account, amount FROM transfers WHERE id = $1 AND kind = $4),
        credit AS (
            UPDATE accounts SET balance = balance + charge.amount, version = version + 1
            FROM charge
            WHERE accounts.id = charge.debit_account AND NOT EXISTS (SELECT FROM transfers WHERE charge_id = $1)
            RETURNING accounts.id, charge.amount, accounts.balance, accounts.version),
        transfer AS (
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, charge_id, balance_after)
            SELECT $2, $3, id, amount, $5, ''::bytea, $1, balance FROM credit)
        SELECT balance, version, id FROM credit
        """;

    private const string OpenSql = """
        WITH opened AS (
            INSERT INTO accounts (id, balance, version) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING RETURNING id)
        INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, balance_after)
        SELECT $3, $4, id, $2, $5, ''::bytea, $2 FROM opened WHERE $2 > 0
        """;

    private const string VoidSql = """
        INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, balance_after)
        VALUES ($1, $2, $3, 0, $4, ''::bytea, 0) ON CONFLICT (id) DO NOTHING
        """;

    private const string FindSql = """
        SELECT t.request_hash, t.balance_after, t.kind, EXISTS (SELECT FROM transfers r WHERE r.charge_id = t.id)
        FROM transfers t WHERE t.id = $1
        """;

    private const string FindRefundSql = "SELECT id, credit_account, balance_after FROM transfers WHERE charge_id = $1";

    private const string BalanceSql = "SELECT balance, version FROM accounts WHERE id = $1";

    /// <summary>Takes tokens from a user.</summary>
    /// <returns>The new balance; null when the account is missing or too small, or the name is taken.</returns>
    public async Task<Balance?> DebitAsync(DebitRequest request, CancellationToken cancellationToken)
    {
        await using var command = Command(
            DebitSql,
            request.Id,
            request.Account,
            request.Amount,
            SystemAccount.Revenue,
            (short)request.Kind,
            request.Hash());
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = request.Reason });
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

    /// <summary>Gives a charge back.</summary>
    /// <returns>
    /// The account and its new balance; null when there is no such charge, or it was given back before.
    /// </returns>
    public async Task<(long Account, Balance Balance)?> RefundAsync(
        Guid charge, Guid refund, CancellationToken cancellationToken)
    {
        await using var command = Command(
            RefundSql, charge, refund, SystemAccount.Revenue, (short)TransferKind.Charge, (short)TransferKind.Refund);
        try
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken)
                ? (reader.GetInt64(2), new Balance(reader.GetInt64(0), reader.GetInt64(1)))
                : null;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Another request gave it back while this one waited for the account's row.
            return null;
        }
    }

    /// <summary>
    /// Takes the name of a charge that is not there. Waits for a charge of that name that is being written.
    /// </summary>
    /// <returns>Whether the name was free.</returns>
    public async Task<bool> VoidAsync(Guid charge, CancellationToken cancellationToken)
    {
        await using var command = Command(
            VoidSql, charge, SystemAccount.Issuance, SystemAccount.Revenue, (short)TransferKind.Void);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>Opens an account, once, however many ask for it at the same time.</summary>
    public async Task OpenAsync(long account, Guid transfer, long tokens, CancellationToken cancellationToken)
    {
        await using var command = Command(
            OpenSql, account, tokens, transfer, SystemAccount.Issuance, (short)TransferKind.Opening);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What is written under a name.</summary>
    public async Task<WrittenTransfer?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = Command(FindSql, id);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new WrittenTransfer(
                reader.GetFieldValue<byte[]>(0),
                reader.GetInt64(1),
                (TransferKind)reader.GetInt16(2),
                reader.GetBoolean(3))
            : null;
    }

    /// <summary>The refund of a charge: its name and the balance right after it.</summary>
    public async Task<(Guid Id, long Account, long BalanceAfter)?> FindRefundAsync(
        Guid charge, CancellationToken cancellationToken)
    {
        await using var command = Command(FindRefundSql, charge);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? (reader.GetGuid(0), reader.GetInt64(1), reader.GetInt64(2))
            : null;
    }

    /// <summary>An account's balance; null when it is not open.</summary>
    public async Task<Balance?> BalanceAsync(long account, CancellationToken cancellationToken)
    {
        await using var command = Command(BalanceSql, account);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new Balance(reader.GetInt64(0), reader.GetInt64(1)) : null;
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
}

/// <summary>What is written of a transfer.</summary>
/// <param name="RequestHash">Of what was asked for.</param>
/// <param name="BalanceAfter">The user's tokens right after it.</param>
/// <param name="Kind">Why tokens moved.</param>
/// <param name="Refunded">Whether a refund of it is written too.</param>
internal sealed record WrittenTransfer(byte[] RequestHash, long BalanceAfter, TransferKind Kind, bool Refunded);
