using System.Security.Cryptography;
using CsCheck;
using Ledger.Service.Holds;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Random batches on several accounts with several API keys.</summary>
public sealed class HoldSequenceTests(ServersFixture servers)
{
    private const int Accounts = 3;
    private const int Names = 4;
    private const int MaxItems = 64;

    private static readonly Guid[] Holders = [Guid.NewGuid(), Guid.NewGuid()];
    private static readonly byte[][] Hashes = [SHA256.HashData([1]), SHA256.HashData([2])];

    private static readonly UsedApiKey?[] Keys =
    [
        null, null, null, new(1, 3000, null), new(2, null, 1500), new(3, 2000, 2500),
    ];

    private sealed record Step(
        HoldOperation Operation, int Account, int Name, int Holder, long Amount, int Hash, UsedApiKey? Key);

    private sealed record Batch(Step[] Steps, bool Closes);

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
        (steps, closes) => new Batch(steps, closes)).Array[1, 4];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task Batches_OfAnyItems_DoWhatTheirItemsWouldOneByOne() => Sequences.SampleAsync(async batches =>
    {
        var (accounts, names) = NewNames();
        var model = new LedgerModel();
        foreach (var batch in batches)
        {
            var items = batch.Steps.Select(step => Item(step, accounts, names)).ToList();
            Assert.Equal(model.CarryOut(items), await servers.Holds.CarryOutAsync(items, CancellationToken.None));
            if (batch.Closes)
            {
                model.Close(accounts[0]);
                await servers.Ledger.CloseAsync(accounts[0], CancellationToken.None);
            }

            await AssertBooksAsync(accounts, model);
        }
    }, iter: 512, threads: 2);

    /// <summary>Two replicas at once: which of them is first is open, and that the books are right is not.</summary>
    [Fact]
    public Task Batches_OfTwoLedgersAtOnce_KeepTheBooks() => Sequences.Select(Sequences).SampleAsync(async both =>
    {
        var (accounts, names) = NewNames();
        var replicas = await Task.WhenAll(
            RunAsync(servers.NewHolds(), both.Item1, accounts, names),
            RunAsync(servers.NewHolds(), both.Item2, accounts, names));
        Assert.DoesNotContain(replicas.SelectMany(each => each), result => result.Outcome is HoldOutcome.Failed);
        await AssertVerifiedAsync(accounts);

        foreach (var account in accounts)
        {
            var open = await servers.Holds.OpenAsync(
                account, TimeSpan.Zero, new(0, default), 100, CancellationToken.None);
            var releases = open.ConvertAll(hold => new HoldItem(HoldOperation.Release, account, hold.Id, hold.Holder));
            Assert.All(
                await servers.Holds.CarryOutAsync(releases, CancellationToken.None),
                result => Assert.Equal(HoldOutcome.Released, result.Outcome));
        }

        await AssertVerifiedAsync(accounts);
        Assert.Equal(0, await NumberAsync(
            "SELECT coalesce(sum(held), 0)::bigint FROM accounts WHERE id = ANY ($1)", accounts));
    }, iter: 512, threads: 2);

    private static async Task<List<HoldResult>> RunAsync(
        HoldLedger ledger, Batch[] batches, long[] accounts, Guid[] names)
    {
        var results = new List<HoldResult>();
        foreach (var batch in batches)
        {
            results.AddRange(await ledger.CarryOutAsync(
                [.. batch.Steps.Select(step => Item(step, accounts, names))], CancellationToken.None));
        }

        return results;
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
            model.Spent.OrderBy(each => each.Key).Select(each => $"{each.Key.Account} {each.Key.Key} {each.Value}"),
            await TextsAsync("""
                SELECT account || ' ' || key_id || ' ' || total FROM key_spending
                WHERE account = ANY ($1) AND total = today ORDER BY account, key_id
                """, accounts));
    }

    /// <summary>
    /// Balance = the sum of transfers, held = the sum of open holds, keys have spent what they say; in other words,
    /// nothing that <c>verify</c> would name.
    /// </summary>
    private async Task AssertVerifiedAsync(long[] accounts)
    {
        Assert.Equal(0, await NumberAsync("""
            SELECT count(*) FROM accounts a WHERE id = ANY ($1) AND (
                balance <> (SELECT coalesce(sum(amount), 0) FROM transfers WHERE account = a.id)
                OR version <> (SELECT count(*) FROM transfers WHERE account = a.id)
                OR held <> (SELECT coalesce(sum(amount), 0) FROM holds WHERE account_id = a.id))
            """, accounts));
        Assert.Equal(0, await NumberAsync("""
            SELECT count(*) FROM key_spending k WHERE account = ANY ($1) AND total <>
                (SELECT coalesce(-sum(amount), 0) FROM transfers t WHERE t.account = k.account AND t.key_id = k.key_id)
                + (SELECT coalesce(sum(amount), 0) FROM holds h WHERE h.account_id = k.account AND h.key_id = k.key_id)
            """, accounts));
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
