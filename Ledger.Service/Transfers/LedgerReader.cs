using Ledger.Service.Accounts;
using Ledger.Service.Keys;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>What is written, for those who need to know why a statement did nothing.</summary>
internal sealed class LedgerReader(NpgsqlDataSource database)
{
    private const string FindSql = """
        SELECT t.request_hash, t.balance_after, t.kind, t.account, t.charge_id,
            t.amount - coalesce((SELECT sum(r.amount) FROM transfers r WHERE r.charge_id = t.id), 0)::bigint,
            t.origin
        FROM transfers t WHERE t.id = $1
        """;

    private const string LastRefundSql = """
        SELECT id, balance_after FROM transfers WHERE charge_id = $1 ORDER BY refundable LIMIT 1
        """;

    // $1 from, $2 after, $3 to, $4 limit
    private const string OpenChargesSql = """
        SELECT t.id, t.account, t.amount, t.created_at FROM transfers t
        WHERE t.kind = 2 AND t.created_at >= $1 AND t.created_at <= $3 AND (t.created_at, t.id) > ($1, $2)
          AND t.amount > coalesce((SELECT sum(r.amount) FROM transfers r WHERE r.charge_id = t.id), 0)
        ORDER BY t.created_at, t.id LIMIT $4
        """;

    private const int MaxOpenCharges = 1000;

    private const string AccountSql =
        "SELECT balance - held, revision, closed_at IS NOT NULL FROM accounts WHERE id = $1";

    private const string KeySql = "SELECT total, day, today FROM key_spending WHERE account = $1 AND key_id = $2";

    /// <summary>What is written under a name; null when nothing is.</summary>
    public async Task<WrittenTransfer?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = database.Command(FindSql, id);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new WrittenTransfer(
                reader.GetFieldValue<byte[]>(0),
                reader.GetInt64(1),
                (TransferKind)reader.GetInt16(2),
                reader.GetInt64(3),
                reader.IsDBNull(4) ? null : reader.GetGuid(4),
                reader.GetInt64(5),
                reader.IsDBNull(6) ? null : reader.GetGuid(6))
            : null;
    }

    /// <summary>The latest refund of a charge, if any: its name and the balance right after it.</summary>
    public async Task<(Guid Id, long BalanceAfter)?> LastRefundAsync(Guid charge, CancellationToken cancellationToken)
    {
        await using var command = database.Command(LastRefundSql, charge);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (reader.GetGuid(0), reader.GetInt64(1)) : null;
    }

    /// <summary>Charges of a time of which something is not given back, in the order of their time, a page.</summary>
    public async Task<List<OpenCharge>> OpenChargesAsync(
        DateTimeOffset from, DateTimeOffset to, Guid after, CancellationToken cancellationToken)
    {
        await using var command = database.Command(
            OpenChargesSql, from.ToUniversalTime(), after, to.ToUniversalTime(), MaxOpenCharges);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var charges = new List<OpenCharge>();
        while (await reader.ReadAsync(cancellationToken))
        {
            charges.Add(new(
                reader.GetGuid(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3)));
        }

        return charges;
    }

    /// <summary>An account's balance, and whether it is closed; null when it was never opened.</summary>
    public async Task<(Balance Balance, bool IsClosed)?> AccountAsync(long account, CancellationToken cancellationToken)
    {
        await using var command = database.Command(AccountSql, account);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? (new Balance(reader.GetInt64(0), reader.GetInt64(1)), reader.GetBoolean(2))
            : null;
    }

    /// <summary>What an API key has spent; null when it has never spent anything.</summary>
    public async Task<KeySpending?> KeyAsync(long account, long key, CancellationToken cancellationToken)
    {
        await using var command = database.Command(KeySql, account, key);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return !await reader.ReadAsync(cancellationToken) ? null : new KeySpending
        {
            Account = account,
            KeyId = key,
            Total = reader.GetInt64(0),
            Day = reader.GetFieldValue<DateOnly>(1),
            Today = reader.GetInt64(2),
        };
    }
}

/// <summary>What is written of a transfer.</summary>
/// <param name="RequestHash">Of what was asked for.</param>
/// <param name="BalanceAfter">The user's tokens right after it.</param>
/// <param name="Kind">Why tokens moved.</param>
/// <param name="Account">The user.</param>
/// <param name="Charge">The charge that it gives back, when it is a refund.</param>
/// <param name="Refundable">What of it is not given back yet, when it is a charge.</param>
/// <param name="Origin">Which of several requests with its name has made it, if known.</param>
internal sealed record WrittenTransfer(
    byte[] RequestHash,
    long BalanceAfter,
    TransferKind Kind,
    long Account,
    Guid? Charge,
    long Refundable,
    Guid? Origin)
{
    /// <summary>Whether a charge of this name is given back, or can never be made.</summary>
    public bool IsRefunded => Kind is TransferKind.Void || (Kind is TransferKind.Charge && Refundable == 0);
}

/// <summary>A charge of which something is not given back.</summary>
/// <param name="Id">Its name.</param>
/// <param name="User">Who paid.</param>
/// <param name="Amount">Tokens.</param>
/// <param name="Created">When it was written.</param>
internal sealed record OpenCharge(Guid Id, long User, long Amount, DateTimeOffset Created);

/// <summary>Commands with positional parameters.</summary>
internal static class NpgsqlCommands
{
    /// <summary>Makes a command whose parameters $1, $2 … have these values.</summary>
    /// <param name="database">The database.</param>
    /// <param name="sql">The statement.</param>
    /// <param name="values">The values.</param>
    public static NpgsqlCommand Command(this NpgsqlDataSource database, string sql, params ReadOnlySpan<object> values)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}
