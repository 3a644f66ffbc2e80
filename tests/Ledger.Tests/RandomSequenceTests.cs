using CsCheck;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Random operations on several accounts, against a model.</summary>
public sealed class RandomSequenceTests(ServersFixture servers)
{
    private const int Accounts = 3;
    private const int Names = 8;

    private static readonly byte[] Hash = [.. Enumerable.Repeat((byte)1, 32)];

    /// <summary>None, for half of the steps, or a key with one of the limits, or with both.</summary>
    private static readonly UsedApiKey?[] Keys =
    [
        null, null, null, new(1, 3000, null), new(2, null, 1500), new(3, 2000, 2500), new(4, null, null, 1800),
    ];

    private enum Operation
    {
        Deduct,
        Credit,
        Hold,
        Capture,
        Release,
        Close,
        Budget,
        Read,
    }

    private sealed record Step(Operation Operation, int Account, long Amount, int Name, UsedApiKey? Key, DateOnly Day);

    private static readonly Gen<Step[]> Sequences = Gen.Select(
        Gen.Frequency(
            (4, Gen.Const(Operation.Deduct)),
            (2, Gen.Const(Operation.Credit)),
            (4, Gen.Const(Operation.Hold)),
            (3, Gen.Const(Operation.Capture)),
            (2, Gen.Const(Operation.Release)),
            (1, Gen.Const(Operation.Close)),
            (1, Gen.Const(Operation.Budget)),
            (3, Gen.Const(Operation.Read))),
        Gen.Int[0, Accounts - 1],
        Gen.Frequency(
            (12, Gen.Long[1, 1500]), (1, Gen.Const(4000L)), (1, Gen.Const(Balance.Max)), (1, Gen.Long[-1, 0])),
        Gen.Int[0, Names - 1],
        Gen.Int[0, Keys.Length - 1].Select(key => Keys[key]),
        Gen.Int[0, 3].Select(day => new DateOnly(2026, 1, 30).AddDays(day)),
        (operation, account, amount, name, key, day) => new Step(operation, account, amount, name, key, day))
        .Array[1, 64];

    [Fact]
    public Task Sequence_OfAnyOperations_FollowsTheModelAfterEachOfThem() => Sequences.SampleAsync(async sequence =>
    {
        // Accounts share the ids, which are unique in an account only.
        var accounts = Enumerable.Range(0, Accounts).Select(_ => ServersFixture.NewAccount()).ToArray();
        var names = Enumerable.Range(0, Names).Select(_ => (Move: Guid.NewGuid(), Hold: Guid.NewGuid())).ToArray();
        var model = new LedgerModel();
        foreach (var step in sequence)
        {
            await RunAsync(step, accounts[step.Account], names[step.Name], model);
            await AssertBooksAsync(accounts, model);
        }

        await foreach (var drift in servers.Verifier.VerifyCacheAsync(CancellationToken.None))
        {
            Assert.DoesNotContain(accounts, account => drift.Row == $"cache balance:{account}");
        }
    }, iter: 512, threads: 2);

    private async Task RunAsync(Step step, long account, (Guid Move, Guid Hold) name, LedgerModel model)
    {
        var (ledger, never) = (servers.LedgerOn(Clock.On(step.Day)), CancellationToken.None);
        model.Today = step.Day;
        switch (step.Operation)
        {
            case Operation.Deduct:
                var deduction = new TransferRequest(
                    name.Move, account, step.Amount, TransferKind.Deduction, Key: step.Key);
                Assert.Equal(model.Move(deduction), (await ledger.MoveAsync(deduction, never)).Status);
                break;
            case Operation.Credit:
                var credit = new TransferRequest(name.Move, account, step.Amount, TransferKind.Credit, "test");
                Assert.Equal(model.Move(credit), (await ledger.MoveAsync(credit, never)).Status);
                break;
            case Operation.Close:
                Assert.Equal(model.Close(account), await servers.Accounts.CloseAsync(account, never));
                break;
            case Operation.Budget:
                long? budget = step.Amount is > 0 and < Balance.Max ? step.Amount * 2 : null;
                model.SetBudget(account, budget);
                await servers.Accounts.SetBudgetAsync(account, budget, never);
                break;
            case Operation.Read:
                Assert.Equal(model.Read(account), await servers.Accounts.GetBalanceAsync(account, never));
                break;
            default:
                var operation = Enum.Parse<HoldOperation>($"{step.Operation}");
                var item = new HoldItem(
                    operation, account, name.Hold, Guid.Empty, Math.Max(step.Amount, 0), Hash, step.Key);
                Assert.Equal(model.CarryOut([item]), await ledger.CarryOutAsync([item], never));
                break;
        }
    }

    /// <summary>
    /// For every account: balance and held are the model's, the balance is what the transfers add up to and the one
    /// after the latest of them, and held is what the open holds add up to.
    /// </summary>
    private async Task AssertBooksAsync(long[] accounts, LedgerModel model)
    {
        await using var command = servers.Database.CreateCommand("""
            SELECT a.id, a.balance, a.held, a.version, coalesce(sum(t.amount), 0)::bigint, count(t.id), max(t.version),
                (array_agg(t.balance_after ORDER BY t.version DESC))[1],
                (SELECT coalesce(sum(h.amount), 0) FROM holds h WHERE h.account_id = a.id)::bigint
            FROM accounts a LEFT JOIN transfers t ON t.account = a.id WHERE a.id = ANY ($1) GROUP BY a.id
            """);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var row = await command.ExecuteReaderAsync();
        var opened = 0;
        while (await row.ReadAsync())
        {
            opened++;
            var (balance, held) = model.Accounts[row.GetInt64(0)];
            Assert.True(balance >= 0);
            Assert.Equal((balance, balance, balance), (row.GetInt64(1), row.GetInt64(4), row.GetInt64(7)));
            Assert.Equal((held, held), (row.GetInt64(2), row.GetInt64(8)));
            Assert.Equal((row.GetInt64(3), row.GetInt64(3)), (row.GetInt64(5), row.GetInt64(6)));
        }

        Assert.Equal(model.Accounts.Count, opened);
        await row.CloseAsync();
        await using var keys = servers.Database.CreateCommand(
            "SELECT account, key_id, total, today, this_month FROM key_spending WHERE account = ANY ($1)");
        keys.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var spending = await keys.ExecuteReaderAsync();
        var spent = new List<(long, long, long, long, long)>();
        while (await spending.ReadAsync())
        {
            spent.Add((
                spending.GetInt64(0), spending.GetInt64(1), spending.GetInt64(2), spending.GetInt64(3),
                spending.GetInt64(4)));
        }

        Assert.Equal(model.Keys.Order(), spent.Order());
        await spending.CloseAsync();
        await using var events = servers.Database.CreateCommand(
            "SELECT account, kind, key_id, period, threshold FROM limit_events WHERE account = ANY ($1)");
        events.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var limit = await events.ExecuteReaderAsync();
        var noted = new List<(long, string, long, DateOnly, int)>();
        while (await limit.ReadAsync())
        {
            noted.Add((
                limit.GetInt64(0), limit.GetString(1), limit.GetInt64(2), limit.GetFieldValue<DateOnly>(3),
                limit.GetInt32(4)));
        }

        Assert.Equal(model.Events.Order(), noted.Order());
    }
}
