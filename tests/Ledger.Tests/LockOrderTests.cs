using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>
/// Two real transactions, one of them held open: a statement waits only for the rows of its accounts, in the
/// order of their ids. So no two statements can wait for each other.
/// </summary>
public sealed class LockOrderTests(ServersFixture servers)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Deduction_WhileItsAccountIsLocked_WaitsAndOthersDoNot()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {one}");

        var waiting = servers.Ledger.MoveAsync(Deduction(one), Cancellation);
        await servers.BlockedByAsync(holder, count: 1);
        var free = await servers.Ledger.MoveAsync(Deduction(other), Cancellation).WaitAsync(Timeout, Cancellation);
        Assert.Equal(HoldOutcome.Created, free.Status);
        Assert.False(waiting.IsCompleted);

        await transaction.CommitAsync(Cancellation);
        Assert.Equal(HoldOutcome.Created, (await waiting.WaitAsync(Timeout, Cancellation)).Status);
    }

    [Fact]
    public async Task Deduction_UnderAnIdThatIsBeingWritten_WaitsForItsAccountAndFindsIt()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        var first = Deduction(one);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"SELECT {CarryOut(first)}");

        var sameId = servers.Ledger.MoveAsync(first, Cancellation);
        await servers.BlockedByAsync(holder, count: 1);
        var elsewhere = await servers.Ledger.MoveAsync(first with { Account = other }, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.Equal(HoldOutcome.Created, elsewhere.Status);
        await transaction.CommitAsync(Cancellation);

        Assert.Equal(HoldOutcome.Exists, (await sameId.WaitAsync(Timeout, Cancellation)).Status);
        await servers.AssertBooksBalanceAsync(one, 3900);
        await servers.AssertBooksBalanceAsync(other, 3900);
    }

    /// <summary>It has no lock, so it is not touched: who asked finds it open, and asks again.</summary>
    [Fact]
    public async Task Account_OpenedWhileItsBatchWaits_IsUnknownAndLeftAlone()
    {
        var (open, fresh) = (Deduction(await NewAccountAsync()), Deduction(ServersFixture.NewAccount()));
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {open.Account}");

        await using var batch = servers.Database.CreateCommand(
            $"SELECT string_agg(outcome, ' ') FROM {CarryOut(fresh, open)}");
        var waiting = batch.ExecuteScalarAsync(Cancellation);
        await servers.BlockedByAsync(holder, count: 1);
        await servers.Accounts.GetBalanceAsync(fresh.Account, Cancellation);
        await transaction.CommitAsync(Cancellation);

        Assert.Equal("unknown_account created", await waiting.WaitAsync(Timeout, Cancellation));
        await servers.AssertBooksBalanceAsync(fresh.Account, 4000);
        await servers.AssertBooksBalanceAsync(open.Account, 3900);
    }

    [Fact]
    public async Task BatchesAndDeductions_OfTwoAccountsInAnyOrder_NeverDeadlock()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        var before = await DeadlocksAsync();
        for (var round = 0; round < 20; round++)
        {
            var (left, right) = (Hold(one), Hold(other));
            await Task.WhenAll(
                servers.Ledger.CarryOutAsync([left, right], Cancellation),
                servers.Ledger.CarryOutAsync([right, left], Cancellation),
                servers.Ledger.MoveAsync(Deduction(one, 1), Cancellation),
                servers.Ledger.MoveAsync(Deduction(other, 1), Cancellation),
                servers.Ledger.CarryOutAsync([Capture(right), Capture(left)], Cancellation),
                servers.Ledger.CarryOutAsync([Capture(left), Capture(right)], Cancellation))
                .WaitAsync(Timeout, Cancellation);
        }

        Assert.Equal(before, await DeadlocksAsync());
        foreach (var account in new[] { one, other })
        {
            await servers.AssertBooksBalanceAsync(
                account, (await servers.Accounts.FindAsync(account, Cancellation))!.Balance);
        }

        HoldItem Hold(long account) => new(
            HoldOperation.Hold, account, Guid.NewGuid(), Guid.Empty, 10, new byte[32]);

        HoldItem Capture(HoldItem hold) => hold with { Operation = HoldOperation.Capture };
    }

    /// <summary>The function that carries out deductions, and waits for a lock for half a minute.</summary>
    private static string CarryOut(params TransferRequest[] requests)
    {
        var none = Each(_ => "NULL");
        return $"""
            carry_out({Each(_ => "'deduct'")}, {Each(each => $"{each.Account}")}, {Each(each => $"'{each.Id}'::uuid")},
                {Each(_ => $"'{Guid.Empty}'::uuid")}, {Each(each => $"'\\x{Convert.ToHexString(each.Hash())}'::bytea")},
                {Each(each => $"{each.Amount}")}, {none}::bigint[], {none}::bigint[], {none}::bigint[],
                {none}::bigint[], {none}::uuid[], NULL, '2026-01-05', 30000)
            """;

        string Each(Func<TransferRequest, string> value) => $"ARRAY[{string.Join(',', requests.Select(value))}]";
    }

    private static TransferRequest Deduction(long account, long amount = 100) =>
        new(Guid.NewGuid(), account, amount, TransferKind.Deduction);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<long> NewAccountAsync()
    {
        var account = ServersFixture.NewAccount();
        await servers.Accounts.GetBalanceAsync(account, Cancellation);
        return account;
    }

    private Task<long> DeadlocksAsync() => servers.NumberAsync(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
}
