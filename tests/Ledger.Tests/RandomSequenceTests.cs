using CsCheck;
using Ledger.Service.Accounts;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Random operations on several accounts, against a model of a few lines.</summary>
public sealed class RandomSequenceTests(ServersFixture servers)
{
    private const int Accounts = 3;
    private const int Names = 8;

    /// <summary>None, for half of the steps, or a key with one of the limits, or with both.</summary>
    private static readonly KeyUse?[] Keys =
    [
        null, null, null, new(1, 3000, null, default), new(2, null, 1500, default), new(3, 2000, 2500, default),
    ];

    private enum Operation
    {
        Charge,
        Deduct,
        Credit,
        Refund,
        RefundPart,
        Close,
        Read,
    }

    private sealed record Step(Operation Operation, int Account, long Amount, int Name, int Charge, KeyUse? Key);

    private static readonly Gen<Step[]> Sequences = Gen.Select(
        Gen.Frequency(
            (4, Gen.Const(Operation.Charge)),
            (2, Gen.Const(Operation.Deduct)),
            (2, Gen.Const(Operation.Credit)),
            (3, Gen.Const(Operation.Refund)),
            (4, Gen.Const(Operation.RefundPart)),
            (1, Gen.Const(Operation.Close)),
            (3, Gen.Const(Operation.Read))),
        Gen.Int[0, Accounts - 1],
        Gen.Frequency(
            (12, Gen.Long[1, 1500]), (1, Gen.Const(4000L)), (1, Gen.Const(Balance.Max)), (1, Gen.Long[-1, 0])),
        Gen.Int[0, Names - 1],
        Gen.Int[0, Names - 1],
        Gen.Int[0, Keys.Length - 1].Select(key => Keys[key]),
        (operation, account, amount, name, charge, key) => new Step(operation, account, amount, name, charge, key))
        .Array[1, 64];

    [Fact]
    public Task Sequence_OfAnyOperations_FollowsTheModelAfterEachOfThem() => Sequences.SampleAsync(async sequence =>
    {
        var accounts = Enumerable.Range(0, Accounts).Select(_ => ServersFixture.NewAccount()).ToArray();
        var names = Enumerable.Range(0, Names).Select(_ => Guid.NewGuid()).ToArray();
        var model = new LedgerModel();
        foreach (var step in sequence)
        {
            var (account, name, charge) = (accounts[step.Account], names[step.Name], names[step.Charge]);
            await RunAsync(step, account, name, charge, model);
            await AssertBooksAsync(accounts, model);
        }

        await foreach (var drift in servers.Verifier.VerifyCacheAsync(CancellationToken.None))
        {
            Assert.DoesNotContain(accounts, account => drift.Row == $"cache balance:{account}");
        }
    }, iter: 512, threads: 2);

    private async Task RunAsync(Step step, long account, Guid name, Guid charge, LedgerModel model)
    {
        var (ledger, amount, never) = (servers.Ledger, step.Amount, CancellationToken.None);
        switch (step.Operation)
        {
            case Operation.Charge:
                var charging = new TransferRequest(name, account, amount, TransferKind.Charge, Key: step.Key);
                Assert.Equal(model.Move(charging), (await ledger.DebitAsync(charging, never)).Status);
                break;
            case Operation.Deduct:
                var deducting = new TransferRequest(
                    name, account, amount, TransferKind.Deduction, Key: step.Key);
                Assert.Equal(model.Move(deducting), (await ledger.DebitAsync(deducting, never)).Status);
                break;
            case Operation.Credit:
                var crediting = new TransferRequest(name, account, amount, TransferKind.Credit, "test");
                Assert.Equal(model.Move(crediting), (await ledger.CreditAsync(crediting, never)).Status);
                break;
            case Operation.Refund:
                Assert.Equal(model.Refund(charge), (await ledger.RefundAsync(charge, never)).Status);
                break;
            case Operation.RefundPart:
                var refund = new RefundRequest(charge, name, amount);
                Assert.Equal(model.Refund(refund), (await ledger.RefundAsync(refund, never)).Status);
                break;
            case Operation.Close:
                Assert.Equal(model.Close(account), await ledger.CloseAsync(account, never));
                break;
            default:
                Assert.Equal(model.Read(account), await ledger.GetBalanceAsync(account, never));
                break;
        }
    }

    /// <summary>
    /// For every account: the balance is the model's, is what the transfers add up to, is not negative, and is the one
    /// after the latest transfer; and what users have is what was issued less what was spent.
    /// </summary>
    private async Task AssertBooksAsync(long[] accounts, LedgerModel model)
    {
        await using var command = servers.Database.CreateCommand("""
            SELECT a.id, a.balance, a.version,
                coalesce(sum(CASE WHEN t.credit_account = a.id THEN t.amount ELSE -t.amount END), 0)::bigint,
                count(t.id), max(t.version), (array_agg(t.balance_after ORDER BY t.version DESC))[1],
                coalesce(sum(CASE t.debit_account WHEN -1 THEN t.amount END), 0)::bigint
                    - coalesce(sum(CASE t.credit_account WHEN -2 THEN t.amount END), 0)::bigint
                    + coalesce(sum(CASE t.debit_account WHEN -2 THEN t.amount END), 0)::bigint
            FROM accounts a LEFT JOIN transfers t ON t.account = a.id WHERE a.id = ANY ($1) GROUP BY a.id
            """);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var row = await command.ExecuteReaderAsync();
        var opened = 0;
        while (await row.ReadAsync())
        {
            opened++;
            var balance = model.Balances[row.GetInt64(0)];
            Assert.True(balance >= 0);
            Assert.Equal(
                (balance, balance, balance, balance),
                (row.GetInt64(1), row.GetInt64(3), row.GetInt64(6), row.GetInt64(7)));
            Assert.Equal((row.GetInt64(2), row.GetInt64(2)), (row.GetInt64(4), row.GetInt64(5)));
        }

        Assert.Equal(model.Balances.Count, opened);
        await row.CloseAsync();
        await using var keys = servers.Database.CreateCommand(
            "SELECT account, key_id, total, today FROM key_spending WHERE account = ANY ($1)");
        keys.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        await using var spending = await keys.ExecuteReaderAsync();
        var spent = new Dictionary<(long, long), long>();
        while (await spending.ReadAsync())
        {
            spent.Add((spending.GetInt64(0), spending.GetInt64(1)), spending.GetInt64(2));
            Assert.Equal(spending.GetInt64(2), spending.GetInt64(3));
        }

        Assert.Equal(model.Spent.OrderBy(each => each.Key), spent.OrderBy(each => each.Key));
    }
}
