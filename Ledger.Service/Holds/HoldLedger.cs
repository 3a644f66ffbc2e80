using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Service.Holds;

/// <summary>
/// Holds credits, captures what was used, and releases the rest: in batches, each of them one round trip and one
/// commit. Renewals and lists lock no account.
/// </summary>
internal sealed class HoldLedger(
    NpgsqlDataSource database,
    TokenLedger accounts,
    BalanceCache cache,
    LedgerMetrics metrics,
    TimeProvider clock,
    ILogger<HoldLedger> logger)
{
    private const string CarryOutSql =
        "SELECT outcome, amount, coalesce(balance, 0), coalesce(held, 0), coalesce(revision, -1), taken "
        + "FROM carry_out($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)";

    /// <summary>Locks last for a few milliseconds. Who waits longer for one keeps others waiting.</summary>
    private const int PatienceMs = 100;

    /// <summary>One that is locked is being settled at this moment: it is neither renewed nor gone.</summary>
    private const string RenewSql = """
        WITH asked AS (SELECT * FROM unnest($1, $2, $3) AS a (account_id, id, holder)),
        there AS MATERIALIZED (SELECT account_id, id FROM asked JOIN holds USING (account_id, id, holder)),
        free AS (
            SELECT account_id, id FROM holds WHERE (account_id, id) IN (SELECT account_id, id FROM there)
            FOR NO KEY UPDATE SKIP LOCKED),
        renewed AS (
            UPDATE holds h SET renewed_at = now() FROM free WHERE (h.account_id, h.id) = (free.account_id, free.id))
        SELECT account_id, id FROM asked EXCEPT SELECT account_id, id FROM there
        """;

    private const string OpenSql = """
        SELECT account_id, id, holder, request_hash, amount, conversation FROM holds
        WHERE ($1::bigint IS NULL OR account_id = $1) AND renewed_at <= now() - $2 AND (account_id, id) > ($3, $4)
        ORDER BY account_id, id LIMIT $5
        """;

    /// <summary>
    /// Carries out items in their order; those of one account find what the ones before them have left. An account of a
    /// hold that is not open is opened. When the batch fails, its items are carried out one by one.
    /// </summary>
    /// <param name="items">Up to <see cref="HoldBatch.MaxItems"/> items.</param>
    /// <param name="cancellationToken">Ends the wait. The items may be carried out all the same.</param>
    /// <returns>What became of each.</returns>
    /// <exception cref="NpgsqlException">Postgres cannot be reached.</exception>
    public async Task<IReadOnlyList<HoldResult>> CarryOutAsync(
        IReadOnlyList<HoldItem> items, CancellationToken cancellationToken)
    {
        if (items.Count == 0)
        {
            return [];
        }

        using var timer = metrics.Time("batch");
        List<HoldResult> results = [];
        try
        {
            results = await TryCarryOutAsync(items, cancellationToken);
        }
        catch (PostgresException failed) when (items.Count > 1)
        {
            logger.LogWarning("A batch of {Count} is done item by item: {Problem}", items.Count, failed.MessageText);
            foreach (var item in items)
            {
                results.AddRange(await CarryOutAsync([item], cancellationToken));
            }

            return results; // Each has been counted.
        }
        catch (PostgresException failed)
        {
            logger.LogError(
                "{Operation} {Id} of {Account} failed: {Problem}",
                items[0].Operation, items[0].Id, items[0].Account, failed.MessageText);
            results.Add(new HoldResult(HoldOutcome.Failed, items[0].Amount, Balance: 0, Held: 0));
        }

        metrics.Count(items, results);
        return results;
    }

    /// <summary>Says that holds are still worked on.</summary>
    /// <returns>Those that are gone: captured, released, or another's.</returns>
    public async Task<List<HoldName>> RenewAsync(IReadOnlyList<HeldBy> holds, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RenewSql);
        Add(command, holds, hold => hold.Account);
        Add(command, holds, hold => hold.Id);
        Add(command, holds, hold => hold.Holder);
        return await command.ReadAllAsync(row => new HoldName(row.GetInt64(0), row.GetGuid(1)), cancellationToken);
    }

    /// <summary>
    /// A page of open holds, in the order of account and name: of an account or all, which nobody has renewed for a
    /// time, by the clock of the database.
    /// </summary>
    public async Task<List<OpenHold>> OpenAsync(
        long? account, TimeSpan notRenewedFor, HoldName after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OpenSql);
        command.Parameters.Add(new NpgsqlParameter<long?> { TypedValue = account });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = notRenewedFor });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after.Account });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after.Id });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        return await command.ReadAllAsync(
            row => new OpenHold(
                row.GetInt64(0), row.GetGuid(1), row.GetGuid(2), row.GetFieldValue<byte[]>(3), row.GetInt64(4),
                row.IsDBNull(5) ? null : row.GetGuid(5)),
            cancellationToken);
    }

    /// <summary>
    /// Carries out items in one commit. When an account stays locked, its items fail and all others are carried out:
    /// the caller sends those once more, with a later batch.
    /// </summary>
    private async Task<List<HoldResult>> TryCarryOutAsync(
        IReadOnlyList<HoldItem> items, CancellationToken cancellationToken)
    {
        try
        {
            return await OpenAndCarryOutAsync(items, PatienceMs, cancellationToken);
        }
        catch (PostgresException locked) when (locked.SqlState is PostgresErrorCodes.LockNotAvailable)
        {
            return await OpenAndCarryOutAsync(items, patienceMs: 0, cancellationToken);
        }
    }

    private async Task<List<HoldResult>> OpenAndCarryOutAsync(
        IReadOnlyList<HoldItem> items, int patienceMs, CancellationToken cancellationToken)
    {
        long[] holdAccounts =
        [
            .. items.Where(item => item.Operation is HoldOperation.Hold).Select(item => item.Account).Distinct(),
        ];
        var results = await ExecuteAsync(items, holdAccounts, patienceMs, cancellationToken);
        if (results.Count > 0)
        {
            return results;
        }

        var opened = await Task.WhenAll(holdAccounts.Select(account => OpenAsync(account, cancellationToken)));
        var away = holdAccounts.Where((_, i) => opened[i] is null).ToHashSet();
        results = await ExecuteAsync(
            items, [.. holdAccounts.Where((_, i) => opened[i] is true)], patienceMs, cancellationToken);
        return
        [
            .. results.Zip(items, (result, item) =>
                result.Outcome is HoldOutcome.UnknownAccount && away.Contains(item.Account)
                    ? result with { Outcome = HoldOutcome.Failed } : result),
        ];
    }

    /// <returns>Whether the account is open; null when that cannot be found out.</returns>
    private async Task<bool?> OpenAsync(long account, CancellationToken cancellationToken)
    {
        try
        {
            return await accounts.GetAccountAsync(account, cancellationToken) is not null;
        }
        catch (TryLaterException exception)
        {
            logger.LogWarning("The account {Account} cannot be opened: {Problem}", account, exception.Message);
            return null;
        }
    }

    private async Task<List<HoldResult>> ExecuteAsync(
        IReadOnlyList<HoldItem> items, long[] holdAccounts, int patienceMs, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(CarryOutSql);
        Add(command, items, item => (short)item.Operation);
        Add(command, items, item => item.Account);
        Add(command, items, item => item.Id);
        Add(command, items, item => item.Holder);
        Add(command, items, item => item.Hash ?? []);
        Add(command, items, item => item.Amount);
        Add(command, items, item => item.Key?.Id);
        Add(command, items, item => item.Key?.Limit);
        Add(command, items, item => item.Key?.DailyLimit);
        Add(command, items, item => item.Key?.MonthlyLimit);
        Add(command, items, item => item.Conversation);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = holdAccounts });
        command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = clock.UtcDay() });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = patienceMs });
        var rows = await command.ReadAllAsync(
            row => (
                Result: new HoldResult((HoldOutcome)row.GetInt16(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)),
                Revision: row.GetInt64(4), Taken: row.GetInt64(5)),
            cancellationToken);
        var balances = new Dictionary<long, Balance>();
        foreach (var (item, row) in items.Zip(rows))
        {
            if (row.Revision >= 0) // Otherwise nobody has opened the account of this capture or release.
            {
                balances[item.Account] = new Balance(row.Result.Balance - row.Result.Held, row.Revision);
            }

            if (row.Taken > 0) // Not what an earlier call has taken.
            {
                metrics.Count(TransferKind.Charge, TransferStatus.Created, row.Taken);
            }
        }

        await Task.WhenAll(balances.Select(account => cache.SetAsync(account.Key, account.Value)));
        return rows.ConvertAll(row => row.Result);
    }

    private static void Add<TItem, TValue>(
        NpgsqlCommand command, IReadOnlyList<TItem> items, Func<TItem, TValue> value) =>
        command.Parameters.Add(new NpgsqlParameter<TValue[]> { TypedValue = [.. items.Select(value)] });
}
