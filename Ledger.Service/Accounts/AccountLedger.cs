using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Service.Accounts;

/// <summary>
/// Reads accounts, opens and closes them, and sets their budgets. Whoever makes the first contact with an account opens
/// it with what Identity.Service says; where that knows no such user, there is no account. All of it may throw
/// <see cref="TryLaterException"/>: Identity.Service does not answer, or the account stays locked.
/// </summary>
internal sealed class AccountLedger(
    NpgsqlDataSource database, BalanceCache cache, LedgerMetrics metrics, Openings openings)
{
    private const string Columns =
        "id, balance, held, version, revision, monthly_budget, month, this_month, opened_at, closed_at";

    private const string FindSql = $"SELECT {Columns} FROM accounts WHERE id = $1";

    /// <summary>A lock is waited for at most so long by the statement that has this as one of its tables.</summary>
    private const string Patience = "(SELECT set_config('lock_timeout', '1s', true)) AS patience";

    private const string CloseSql = $"""
        UPDATE accounts SET closed_at = coalesce(closed_at, now()) FROM {Patience} WHERE id = $1 RETURNING {Columns}
        """;

    private const string ReopenSql =
        $"UPDATE accounts SET closed_at = NULL FROM {Patience} WHERE id = $1 RETURNING {Columns}";

    private const string BudgetSql =
        $"UPDATE accounts SET monthly_budget = $2 FROM {Patience} WHERE id = $1 RETURNING {Columns}";

    private const string OpenSql = """
        WITH opened AS (
            INSERT INTO accounts (id, balance, held, version, revision) VALUES ($1, $2, 0, sign($2), sign($2))
            ON CONFLICT DO NOTHING RETURNING id, balance),
        opening AS (
            INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after)
            SELECT id, $3, 1, balance, 1, ''::bytea, balance, 0 FROM opened WHERE balance > 0)
        SELECT id FROM opened
        """;

    /// <summary>A user's credits.</summary>
    /// <returns>Credits left to spend; null when there is no such user.</returns>
    public async Task<long?> GetBalanceAsync(long account, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("read");
        if (await cache.GetAsync(account) is { } held)
        {
            return held.Tokens;
        }

        if (await GetAccountAsync(account, cancellationToken) is not { } found)
        {
            return null;
        }

        await cache.SetAsync(account, found.Spendable);
        return found.Spendable.Tokens;
    }

    /// <summary>An account.</summary>
    /// <returns>The account; null when there is no such user.</returns>
    public async Task<Account?> GetAccountAsync(long account, CancellationToken cancellationToken) =>
        await FindAsync(account, cancellationToken) is { } found ? found
            : await OpenAsync(account, cancellationToken) ? await FindAsync(account, cancellationToken)
            : null;

    /// <summary>An account, if it is open.</summary>
    public Task<Account?> FindAsync(long account, CancellationToken cancellationToken) =>
        AccountAsync(FindSql, cancellationToken, account);

    /// <summary>Closes an account. It keeps its credits; what is held can still be captured and released.</summary>
    /// <returns>The credits it keeps to spend; null when there is no such user.</returns>
    public async Task<long?> CloseAsync(long account, CancellationToken cancellationToken) =>
        await GetAccountAsync(account, cancellationToken) is null ? null
            : (await AccountAsync(CloseSql, cancellationToken, account))!.Spendable.Tokens;

    /// <summary>Opens a closed account again. That of a user who has left stays closed.</summary>
    /// <returns>The credits it has to spend; null when there is no such user.</returns>
    public async Task<long?> ReopenAsync(long account, CancellationToken cancellationToken)
    {
        if (await openings.OfAsync(account, cancellationToken) is not { } credits)
        {
            return null;
        }

        await OpenAsync(account, credits, cancellationToken);
        var reopened = await AccountAsync(ReopenSql, cancellationToken, account);
        // A user is known to leave before the account is closed. So who is still there now will have it closed later.
        var isThere = false;
        try
        {
            isThere = await openings.OfAsync(account, CancellationToken.None) is not null;
        }
        finally
        {
            if (!isThere)
            {
                await AccountAsync(CloseSql, CancellationToken.None, account);
            }
        }

        return isThere ? reopened!.Spendable.Tokens : null;
    }

    /// <summary>Sets what a user may spend in a month of UTC; null is no budget any more.</summary>
    /// <returns>The account; null when there is no such user.</returns>
    public async Task<Account?> SetBudgetAsync(long account, long? credits, CancellationToken cancellationToken) =>
        await GetAccountAsync(account, cancellationToken) is null ? null
            : await AccountAsync(BudgetSql, cancellationToken, account, credits ?? (object)DBNull.Value);

    /// <summary>Opens an account that is not open, with what Identity.Service says.</summary>
    /// <returns>Whether it is open now; false when there is no such user.</returns>
    public async Task<bool> OpenAsync(long account, CancellationToken cancellationToken)
    {
        if (await openings.OfAsync(account, cancellationToken) is not { } credits)
        {
            return false;
        }

        await OpenAsync(account, credits, cancellationToken);
        return true;
    }

    /// <summary>Opens an account with credits of the caller's choice; with 0 it has no transfer.</summary>
    /// <returns>Whether it was not open before.</returns>
    public async Task<bool> OpenAsync(long account, long credits, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("opening");
        await using var command = database.Command(
            OpenSql, account, credits, IdempotencyKey.ToTransferId(account, "opening", "opening"));
        var isNew = await command.ExecuteScalarAsync(cancellationToken) is not null;
        if (isNew)
        {
            metrics.Count(TransferKind.Opening, HoldOutcome.Created, credits);
        }

        return isNew;
    }

    private async Task<Account?> AccountAsync(
        string sql, CancellationToken cancellationToken, params object[] values)
    {
        try
        {
            await using var command = database.Command(sql, values);
            var accounts = await command.ReadAllAsync(
                row => new Account(
                    row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4),
                    row.GetFieldValue<long?>(5), row.GetFieldValue<DateOnly?>(6), row.GetInt64(7),
                    row.GetFieldValue<DateTimeOffset>(8), row.GetFieldValue<DateTimeOffset?>(9)),
                cancellationToken);
            return accounts.SingleOrDefault();
        }
        catch (PostgresException locked) when (locked.SqlState is PostgresErrorCodes.LockNotAvailable)
        {
            throw TryLaterException.AccountLocked(locked);
        }
    }
}
