using Ledger.Service.Accounts;
using Npgsql;

namespace Ledger.Service.Transfers;

/// <summary>
/// Changes balances: holds credits, captures what was used, releases the rest, deducts and credits. All of it is done
/// by <c>carry_out</c>, one round trip and one commit for a batch. Postgres decides; what it decided goes to the cache
/// before the caller hears of it, so that the caller's next read, on any replica, is not older.
/// </summary>
internal sealed class TokenLedger(
    NpgsqlDataSource database,
    AccountLedger accounts,
    BalanceCache cache,
    LedgerMetrics metrics,
    TimeProvider clock,
    ILogger<TokenLedger> logger)
{
    private const string CarryOutSql = """
        SELECT outcome, coalesce(amount, 0), change, coalesce((account).balance, 0), coalesce((account).held, 0),
            (account).revision
        FROM carry_out($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)
        """;

    /// <summary>Locks last for a few milliseconds. A batch that waits longer for one keeps others waiting.</summary>
    private const int BatchPatienceMs = 100;

    /// <summary>One deduction or credit keeps nobody waiting.</summary>
    private const int PatienceMs = 1_000;

    /// <summary>
    /// Carries out holds, captures and releases in their order; those of one account find what the ones before them
    /// have left. An account of a hold that is not open is opened.
    /// </summary>
    /// <returns>What became of each.</returns>
    /// <exception cref="NpgsqlException">Postgres cannot be reached. The items may be done all the same.</exception>
    public async Task<IReadOnlyList<HoldResult>> CarryOutAsync(
        IReadOnlyList<HoldItem> items, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("batch");
        var results = await OpenAndCarryOutAsync(items, cancellationToken);
        metrics.Count(items, results);
        return results;
    }

    /// <summary>Gives credits to a user or takes them, once per id.</summary>
    /// <returns>What became of it.</returns>
    /// <exception cref="TryLaterException">
    /// The account is locked for longer than a second, or new while Identity.Service does not answer.
    /// </exception>
    public async Task<Outcome> MoveAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time(LedgerMetrics.Name(request.Kind));
        var outcome = new Outcome(HoldOutcome.InvalidAmount, request.Id, request.Amount);
        if (request.Amount >= 1)
        {
            outcome = await TryMoveAsync(request, cancellationToken);
        }

        if (outcome.Status is HoldOutcome.UnknownAccount
            && await accounts.GetAccountAsync(request.Account, cancellationToken) is not null)
        {
            outcome = await TryMoveAsync(request, cancellationToken);
        }

        metrics.Count(request.Kind, outcome.Status, request.Amount);
        return outcome;
    }

    private async Task<Outcome> TryMoveAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        var item = new HoldItem(
            request.Kind switch
            {
                TransferKind.Deduction => HoldOperation.Deduct,
                TransferKind.Credit => HoldOperation.Credit,
                _ => HoldOperation.Adjust,
            },
            request.Account, request.Id, Amount: request.Amount, Hash: request.Hash(), Key: request.Key);
        try
        {
            var result = (await ExecuteAsync([item], PatienceMs, cancellationToken, request.Reason))[0];
            var tokens = result.Outcome is HoldOutcome.Exists ? result.Amount : result.Available;
            return new Outcome(result.Outcome, request.Id, request.Amount, tokens, result.Held);
        }
        catch (PostgresException locked) when (locked.SqlState is PostgresErrorCodes.LockNotAvailable)
        {
            throw TryLaterException.AccountLocked(locked);
        }
    }

    /// <summary>Carries out items, and once more those of accounts that were not open before.</summary>
    private async Task<List<HoldResult>> OpenAndCarryOutAsync(
        IReadOnlyList<HoldItem> items, CancellationToken cancellationToken)
    {
        var results = await TryCarryOutAsync(items, cancellationToken);
        var unknown = items.Where((_, i) => results[i].Outcome is HoldOutcome.UnknownAccount)
            .Select(item => item.Account).ToHashSet();
        if (unknown.Count > 0)
        {
            var opened = new Dictionary<long, bool?>(
                await Task.WhenAll(unknown.Select(account => OpenAsync(account, cancellationToken))));
            // Nothing was written for these accounts: all their items are carried out again, in their order.
            var late = items.Index().Where(each => opened.GetValueOrDefault(each.Item.Account) is true).ToList();
            var lateResults = late.Count == 0
                ? [] : await TryCarryOutAsync(late.ConvertAll(each => each.Item), cancellationToken);
            foreach (var (each, result) in late.Zip(lateResults))
            {
                results[each.Index] = result;
            }

            foreach (var (index, item) in items.Index())
            {
                if (results[index].Outcome is HoldOutcome.UnknownAccount && opened[item.Account] is null)
                {
                    results[index] = results[index] with { Outcome = HoldOutcome.Failed };
                }
            }
        }

        return results;
    }

    /// <summary>
    /// Carries out items in one commit. When an account stays locked, its items fail and all others are carried out:
    /// the caller sends those once more, with a later batch. When the batch fails, its items are done one by one.
    /// </summary>
    private async Task<List<HoldResult>> TryCarryOutAsync(
        IReadOnlyList<HoldItem> items, CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                return await ExecuteAsync(items, BatchPatienceMs, cancellationToken);
            }
            catch (PostgresException locked) when (locked.SqlState is PostgresErrorCodes.LockNotAvailable)
            {
                return await ExecuteAsync(items, patienceMs: 0, cancellationToken);
            }
        }
        catch (PostgresException failed) when (items.Count > 1)
        {
            logger.LogWarning("A batch of {Count} is done item by item: {Problem}", items.Count, failed.MessageText);
            List<HoldResult> results = [];
            foreach (var item in items)
            {
                results.AddRange(await OpenAndCarryOutAsync([item], cancellationToken));
            }

            return results;
        }
        catch (PostgresException failed)
        {
            logger.LogError(
                "{Operation} {Id} of {Account} failed: {Problem}",
                items[0].Operation, items[0].Id, items[0].Account, failed.MessageText);
            return [new HoldResult(HoldOutcome.Failed, items[0].Amount)];
        }
    }

    /// <returns>Whether the account is open; null when that cannot be found out.</returns>
    private async Task<KeyValuePair<long, bool?>> OpenAsync(long account, CancellationToken cancellationToken)
    {
        try
        {
            return new(account, await accounts.GetAccountAsync(account, cancellationToken) is not null);
        }
        catch (Exception exception) when (exception is TryLaterException or PostgresException)
        {
            logger.LogWarning("The account {Account} cannot be opened: {Problem}", account, exception.Message);
            return new(account, null);
        }
    }

    private async Task<List<HoldResult>> ExecuteAsync(
        IReadOnlyList<HoldItem> items, int patienceMs, CancellationToken cancellationToken, string? reason = null)
    {
        await using var command = database.CreateCommand(CarryOutSql)
            .WithEach(items, item => LedgerMetrics.Name(item.Operation))
            .WithEach(items, item => item.Account)
            .WithEach(items, item => item.Id)
            .WithEach(items, item => item.Holder)
            .WithEach(items, item => item.Hash ?? [])
            .WithEach(items, item => item.Amount)
            .WithEach(items, item => item.Key?.Id)
            .WithEach(items, item => item.Key?.Limit)
            .WithEach(items, item => item.Key?.DailyLimit)
            .WithEach(items, item => item.Key?.MonthlyLimit)
            .WithEach(items, item => item.Conversation)
            .With(reason).With(clock.UtcDay()).With(patienceMs);
        var rows = await command.ReadAllAsync(
            row => (
                Result: new HoldResult(
                    Enum.Parse<HoldOutcome>(row.GetString(0).Replace("_", ""), ignoreCase: true),
                    row.GetInt64(1), row.GetInt64(3), row.GetInt64(4)),
                Change: row.GetInt64(2), Revision: row.GetFieldValue<long?>(5)),
            cancellationToken);
        var balances = new Dictionary<long, Balance>();
        foreach (var (item, row) in items.Zip(rows))
        {
            if (row.Revision is { } revision) // Otherwise the account is not open.
            {
                balances[item.Account] = new Balance(row.Result.Available, revision);
            }

            if (row.Change < 0 && item.Operation is HoldOperation.Capture) // Not what an earlier call has taken.
            {
                metrics.Count(TransferKind.Charge, HoldOutcome.Created, -row.Change);
            }
        }

        // Also when nothing was written: an earlier call may have been cut off between Postgres and Redis.
        await Task.WhenAll(balances.Select(account => cache.SetAsync(account.Key, account.Value)));
        return rows.ConvertAll(row => row.Result);
    }
}
