using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>
/// Reads and changes accounts, one at a time. Postgres decides; what it decided goes to the cache before the caller
/// hears of it, so that the caller's next read, on any replica, is not older. Whoever makes the first contact with an
/// account opens it with what Identity.Service says; where that knows no such user, there is no account. All of it may
/// throw <see cref="TryLaterException"/>: the account is new, and Identity.Service does not answer.
/// </summary>
internal sealed class TokenLedger(
    NpgsqlDataSource database, BalanceCache cache, LedgerMetrics metrics, Openings openings, TimeProvider clock)
{
    private const string MoveSql =
        "SELECT status, tokens, balance, held, revision FROM move($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)";

    private const string AccountColumns = "balance, held, revision, closed_at, monthly_budget, month, this_month";

    private const string AccountSql = $"SELECT {AccountColumns} FROM accounts WHERE id = $1";

    private const string CloseSql = $"""
        UPDATE accounts SET closed_at = coalesce(closed_at, now()) WHERE id = $1 RETURNING {AccountColumns}
        """;

    private const string BudgetSql =
        $"UPDATE accounts SET monthly_budget = $2 WHERE id = $1 RETURNING {AccountColumns}";

    private const string OpenSql = """
        WITH opened AS (
            INSERT INTO accounts (id, balance, held, version, revision) VALUES ($1, $2, 0, sign($2), sign($2))
            ON CONFLICT DO NOTHING RETURNING id, balance),
        opening AS (
            INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after)
            SELECT id, $3, 1, balance, 1, ''::bytea, balance, 0 FROM opened WHERE balance > 0)
        SELECT id FROM opened
        """;

    private const string OpeningSql = "SELECT amount FROM transfers WHERE account = $1 AND id = $2";

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
        AccountAsync(AccountSql, account, cancellationToken);

    /// <summary>Gives credits to a user or takes them, once per id.</summary>
    /// <param name="request">What to give or take.</param>
    /// <param name="cancellationToken">Ends the wait. The transfer may be written all the same.</param>
    /// <returns>What became of it.</returns>
    /// <exception cref="TryLaterException">The account is locked for longer than a second.</exception>
    public async Task<Outcome> MoveAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time(LedgerMetrics.Name(request.Kind));
        var outcome = new Outcome(TransferStatus.InvalidAmount, request.Id, request.Amount);
        try
        {
            if (request.Amount >= 1)
            {
                outcome = await TryMoveAsync(request, cancellationToken);
            }

            if (outcome.Status is TransferStatus.UnknownAccount && await OpenAsync(request.Account, cancellationToken))
            {
                outcome = await TryMoveAsync(request, cancellationToken);
            }
        }
        catch (PostgresException locked) when (locked.SqlState is PostgresErrorCodes.LockNotAvailable)
        {
            throw new TryLaterException(
                "account_locked",
                "Another request keeps this account busy. Nothing was done: try again shortly.",
                locked);
        }

        metrics.Count(request.Kind, outcome.Status, request.Amount);
        return outcome;
    }

    /// <summary>Closes an account. It keeps its credits; what is held can still be captured and released.</summary>
    /// <returns>The credits it keeps to spend; null when there is no such user.</returns>
    public async Task<long?> CloseAsync(long account, CancellationToken cancellationToken) =>
        await GetAccountAsync(account, cancellationToken) is null ? null
            : (await AccountAsync(CloseSql, account, cancellationToken))!.Spendable.Tokens;

    /// <summary>Sets what a user may spend in a month of UTC; null is no budget any more.</summary>
    /// <returns>The account; null when there is no such user.</returns>
    public async Task<Account?> SetBudgetAsync(long account, long? credits, CancellationToken cancellationToken) =>
        await GetAccountAsync(account, cancellationToken) is null ? null
            : await AccountAsync(BudgetSql, account, cancellationToken, credits ?? (object)DBNull.Value);

    /// <summary>Opens an account that is not open, with what Identity.Service says.</summary>
    /// <returns>Whether it is open now; false when there is no such user.</returns>
    public async Task<bool> OpenAsync(long account, CancellationToken cancellationToken)
    {
        if (await openings.OfAsync(account, cancellationToken) is not { } credits)
        {
            return false;
        }

        await TryOpenAsync(account, credits, cancellationToken);
        return true;
    }

    /// <summary>
    /// Opens an account with credits of the caller's choice, for a user who brings them along; with 0 it has no
    /// transfer.
    /// </summary>
    /// <returns>Created, Exists, or ExistsWithDifferentContent when it was opened with another number.</returns>
    public async Task<TransferStatus> OpenAsync(long account, long credits, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("opening");
        var status = TransferStatus.Created;
        if (!await TryOpenAsync(account, credits, cancellationToken))
        {
            await using var command = database.Command(OpeningSql, account, OpeningOf(account));
            status = (await command.ExecuteScalarAsync(cancellationToken) as long? ?? 0) == credits
                ? TransferStatus.Exists : TransferStatus.ExistsWithDifferentContent;
        }

        metrics.Count(TransferKind.Opening, status, credits);
        return status;
    }

    private static Guid OpeningOf(long account) => IdempotencyKey.ToTransferId(account, "opening", "opening");

    private async Task<bool> TryOpenAsync(long account, long credits, CancellationToken cancellationToken)
    {
        await using var command = database.Command(OpenSql, account, credits, OpeningOf(account));
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    private async Task<Outcome> TryMoveAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        await using var command = database.Command(
            MoveSql, (short)request.Kind, request.Account, request.Id, request.Amount, request.Hash());
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = request.Reason });
        command.Parameters.Add(new NpgsqlParameter<DateOnly?>
        {
            TypedValue = request.Kind is TransferKind.Deduction ? clock.UtcDay() : null,
        });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = request.Key?.Id });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = request.Key?.Limit });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = request.Key?.DailyLimit });
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = request.Key?.MonthlyLimit });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var status = (TransferStatus)row.GetInt16(0);
        if (await row.IsDBNullAsync(2, cancellationToken))
        {
            return new Outcome(status, request.Id, request.Amount);
        }

        // Also when nothing was written: an earlier call may have been cut off between Postgres and Redis.
        await cache.SetAsync(request.Account, new Balance(row.GetInt64(2) - row.GetInt64(3), row.GetInt64(4)));
        return new Outcome(status, request.Id, request.Amount, row.GetInt64(1), row.GetInt64(3));
    }

    private async Task<Account?> AccountAsync(
        string sql, long account, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = database.Command(sql, [account, .. values]);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return !await row.ReadAsync(cancellationToken) ? null : new Account
        {
            Id = account,
            Balance = row.GetInt64(0),
            Held = row.GetInt64(1),
            Revision = row.GetInt64(2),
            ClosedAt = await row.IsDBNullAsync(3, cancellationToken) ? null : row.GetFieldValue<DateTimeOffset>(3),
            MonthlyBudget = await row.IsDBNullAsync(4, cancellationToken) ? null : row.GetInt64(4),
            Month = await row.IsDBNullAsync(5, cancellationToken) ? null : row.GetFieldValue<DateOnly>(5),
            ThisMonth = row.GetInt64(6),
        };
    }
}

/// <summary>The days that limits know.</summary>
internal static class Days
{
    /// <summary>Today in UTC.</summary>
    public static DateOnly UtcDay(this TimeProvider clock) => DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
}

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

    /// <summary>Reads all rows.</summary>
    public static async Task<List<T>> ReadAllAsync<T>(
        this NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var all = new List<T>();
        while (await row.ReadAsync(cancellationToken))
        {
            all.Add(read(row));
        }

        return all;
    }
}
