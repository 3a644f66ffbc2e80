using System.Security.Cryptography;
using CsCheck;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Random batches on several accounts with several API keys.</summary>
public sealed class HoldSequenceTests(ServersFixture servers)
{
    private const int Accounts = 3;
    private const int Names = 4;
    private const int MaxItems = 64;
    private const int MaxRounds = 20;

    private static readonly Guid[] Holders = [Guid.NewGuid(), Guid.NewGuid()];
    private static readonly byte[][] Hashes = [SHA256.HashData([1]), SHA256.HashData([2])];

    private static readonly UsedApiKey?[] Keys =
    [
        null, null, null, new(1, 3000, null), new(2, null, 1500), new(3, 2000, 2500), new(4, null, 1500, 2500),
    ];

    /// <summary>The months turn, and clocks that are behind come after others.</summary>
    private static readonly DateOnly[] Days = [new(2026, 1, 30), new(2026, 1, 31), new(2026, 2, 1), new(2026, 2, 2)];

    /// <summary>What the first account's budget becomes before a batch; -1 is as it was.</summary>
    private static readonly long?[] Budgets = [-1, -1, -1, null, 900, 2500];

    private sealed record Step(
        HoldOperation Operation, int Account, int Name, int Holder, long Amount, int Hash, UsedApiKey? Key);

    private sealed record Batch(Step[] Steps, bool Closes, DateOnly Day, long? Budget);

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency(
            (3, Gen.Const(HoldOperation.Hold)),
            (2, Gen.Const(HoldOperation.Capture)),
            (2, Gen.Const(HoldOperation.Release))),
        Gen.Int[0, Accounts - 1],
        Gen.Int[0, Names - 1],
        Gen.Frequency((6, Gen.Const(0)), (1, Gen.Const(1))),
        Gen.Frequency((12, Gen.Long[1, 1500]), (1, Gen.Const(4000L)), (2, Gen.Const(0L))),
        Gen.Frequency((8, Gen.Const(0)), (1, Gen.Const(1))),
        Gen.Int[0, Keys.Length - 1].Select(key => Keys[key]),
        (operation, account, name, holder, amount, hash, key) =>
            new Step(operation, account, name, holder, amount, hash, key));

    private static readonly Gen<Batch[]> Sequences = Gen.Select(
        Steps.Array[1, MaxItems], Gen.Frequency((9, Gen.Const(false)), (1, Gen.Const(true))),
        Gen.Int[0, 3].Select(day => Days[day]), Gen.Int[0, 5].Select(budget => Budgets[budget]),
        (steps, closes, day, budget) => new Batch(steps, closes, day, budget)).Array[1, 4];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task Batches_OfAnyItems_DoWhatTheirItemsWouldOneByOne() => Sequences.SampleAsync(async batches =>
    {
        var (accounts, names) = NewNames();
        var model = new LedgerModel();
        foreach (var batch in batches)
        {
            model.Today = batch.Day;
            if (batch.Budget is not -1)
            {
                model.SetBudget(accounts[0], batch.Budget);
                await servers.Accounts.SetBudgetAsync(accounts[0], batch.Budget, CancellationToken.None);
            }

            var items = batch.Steps.Select(step => Item(step, accounts, names)).ToList();
            var ledger = servers.LedgerOn(Clock.On(batch.Day));
            Assert.Equal(model.CarryOut(items), await ledger.CarryOutAsync(items, CancellationToken.None));
            if (batch.Closes)
            {
                model.Close(accounts[0]);
                await servers.Accounts.CloseAsync(accounts[0], CancellationToken.None);
            }

            await AssertBooksAsync(accounts, model);
        }
    }, iter: 512, threads: 2);

    /// <summary>Two replicas at once: which of them is first is open, and that the books are right is not.</summary>
    [Fact]
    public Task Batches_OfTwoLedgersAtOnce_KeepTheBooks() => Sequences.Select(Sequences).SampleAsync(async both =>
    {
        var (accounts, names) = NewNames();
        await Task.WhenAll(
            RunAsync(both.Item1, accounts, names),
            RunAsync(both.Item2, accounts, names));
        await AssertVerifiedAsync(accounts);

        foreach (var account in accounts)
        {
            var open = await servers.Holds.OpenAsync(
                account, TimeSpan.Zero, new(0, default), 100, CancellationToken.None);
            var releases = open.ConvertAll(hold => new HoldItem(HoldOperation.Release, account, hold.Id, hold.Holder));
            Assert.All(
                await servers.Ledger.CarryOutAsync(releases, CancellationToken.None),
                result => Assert.Equal(HoldOutcome.Released, result.Outcome));
        }

        await AssertVerifiedAsync(accounts);
        Assert.Equal(0, await NumberAsync(
            "SELECT coalesce(sum(held), 0)::bigint FROM accounts WHERE id = ANY ($1)", accounts));
    }, iter: 512, threads: 2);

    private async Task RunAsync(Batch[] batches, long[] accounts, Guid[] names)
    {
        foreach (var batch in batches)
        {
            var ledger = servers.LedgerOn(Clock.On(batch.Day));
            List<HoldItem> left = [.. batch.Steps.Select(step => Item(step, accounts, names))];
            for (var round = 0; left.Count > 0 && round < MaxRounds; round++)
            {
                // What fails is sent again, as Chat.Service does: its account was locked, or opened in this moment.
                var some = await ledger.CarryOutAsync(left, CancellationToken.None);
                left = [.. left.Where((_, index) => some[index].Outcome is HoldOutcome.Failed)];
            }

            Assert.Empty(left);
        }
    }

    /// <summary>Accounts share the ids, which are unique in an account only.</summary>
    private static (long[] Accounts, Guid[] Names) NewNames() => (
        [.. Enumerable.Range(0, Accounts).Select(_ => ServersFixture.NewAccount())],
        [.. Enumerable.Range(0, Names).Select(_ => Guid.NewGuid())]);

    private static HoldItem Item(Step step, long[] accounts, Guid[] names) => new(
        step.Operation,
        accounts[step.Account],
        names[step.Name],
        Holders[step.Holder],
        step.Amount,
        step.Operation is HoldOperation.Hold ? Hashes[step.Hash] : null,
        step.Operation is HoldOperation.Hold ? step.Key : null);

    private async Task AssertBooksAsync(long[] accounts, LedgerModel model)
    {
        await AssertVerifiedAsync(accounts);
        Assert.Equal(
            model.Accounts.OrderBy(account => account.Key).Select(account =>
                $"{account.Key}: {account.Value.Balance} {account.Value.Held}"),
            await TextsAsync(
                "SELECT id || ': ' || balance || ' ' || held FROM accounts WHERE id = ANY ($1) ORDER BY id", accounts));
        Assert.Equal(
            model.Open.Keys.Select(hold => $"{hold.Account} {hold.Id}").Order(StringComparer.Ordinal),
            (await TextsAsync("SELECT account_id || ' ' || id FROM holds WHERE account_id = ANY ($1)", accounts))
                .Order(StringComparer.Ordinal));
        Assert.Equal(
            model.Keys.Order().Select(key => $"{key.Account} {key.Key} {key.Total} {key.Today} {key.ThisMonth}"),
            await TextsAsync("""
                SELECT concat_ws(' ', account, key_id, total, today, this_month) FROM key_spending
                WHERE account = ANY ($1) ORDER BY account, key_id
                """, accounts));
        Assert.Equal(
            model.Months.Order().Select(each => $"{each.Account} {each.Month:O} {each.ThisMonth}"),
            await TextsAsync("""
                SELECT concat_ws(' ', id, month, this_month) FROM accounts
                WHERE id = ANY ($1) AND month IS NOT NULL ORDER BY id
                """, accounts));
        Assert.Equal(
            model.Events.Select(each => $"{each.Account} {each.Kind} {each.Key} {each.Period:O} {each.Threshold}")
                .Order(StringComparer.Ordinal),
            (await TextsAsync("""
                SELECT concat_ws(' ', account, kind, key_id, period, threshold) FROM limit_events
                WHERE account = ANY ($1)
                """, accounts)).Order(StringComparer.Ordinal));
    }

    /// <summary>
    /// Balance = the sum of transfers, held = the sum of open holds, keys have spent what they say; in other words,
    /// nothing that <c>verify</c> would name.
    /// </summary>
    private async Task AssertVerifiedAsync(long[] accounts)
    {
        await foreach (var drift in servers.Verifier.VerifyBooksAsync(accounts, null, CancellationToken.None))
        {
            Assert.Fail($"{drift}");
        }
    }

    private async Task<long> NumberAsync(string sql, long[] accounts)
    {
        await using var command = servers.Database.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        return (long)(await command.ExecuteScalarAsync(CancellationToken.None))!;
    }

    private async Task<List<string>> TextsAsync(string sql, long[] accounts)
    {
        await using var command = servers.Database.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        var texts = new List<string>();
        while (await reader.ReadAsync(CancellationToken.None))
        {
            texts.Add(reader.GetString(0));
        }

        return texts;
    }
}
