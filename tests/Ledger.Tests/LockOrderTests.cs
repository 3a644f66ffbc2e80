using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Tests;

/// <summary>
/// Two real transactions, one of them held open: a statement waits only for its own account's row, and then only for
/// its transfer's name. So no two statements can wait for each other.
/// </summary>
public sealed class LockOrderTests(ServersFixture servers)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Debit_WhileItsAccountIsLocked_WaitsAndOthersDoNot()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {one}");

        var waiting = servers.Ledger.DebitAsync(Charge(one), Cancellation);
        await servers.BlockedByAsync(holder, count: 1);
        var free = await servers.Ledger.DebitAsync(Charge(other), Cancellation).WaitAsync(Timeout, Cancellation);
        Assert.Equal(TransferStatus.Created, free.Status);
        Assert.False(waiting.IsCompleted);

        await transaction.CommitAsync(Cancellation);
        Assert.Equal(TransferStatus.Created, (await waiting.WaitAsync(Timeout, Cancellation)).Status);
    }

    [Fact]
    public async Task Debit_UnderANameThatIsBeingWritten_WaitsForItAndLeavesItsOwnAccountAlone()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        var first = Charge(one);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        // As the statement does: the account's row first, then the name.
        await ExecuteAsync(
            holder, $"UPDATE accounts SET balance = balance - 100, version = version + 1 WHERE id = {one}");
        await ExecuteAsync(holder, $"""
            INSERT INTO transfers
                (id, debit_account, credit_account, amount, kind, request_hash, balance_after, version)
            VALUES ('{first.Id}', {one}, -2, 100, 2, '\x{Convert.ToHexString(first.Hash())}', 3900, 2)
            """);

        var sameName = servers.Ledger.DebitAsync(first with { Account = other }, Cancellation);
        await servers.BlockedByAsync(holder, count: 1);
        await transaction.CommitAsync(Cancellation);

        var refused = await sameName.WaitAsync(Timeout, Cancellation);
        Assert.Equal(TransferStatus.ExistsWithDifferentContent, refused.Status);
        await servers.AssertBooksBalanceAsync(one, 3900);
        await servers.AssertBooksBalanceAsync(other, 4000);
    }

    [Fact]
    public async Task Debits_OfTwoAccountsUnderEachOthersNames_NeverDeadlock()
    {
        var (one, other) = (await NewAccountAsync(), await NewAccountAsync());
        var before = await DeadlocksAsync();
        for (var round = 0; round < 20; round++)
        {
            var (left, right) = (Charge(one, 1), Charge(other, 1));
            await Task.WhenAll(
                servers.Ledger.DebitAsync(left, Cancellation),
                servers.Ledger.DebitAsync(right, Cancellation),
                servers.Ledger.DebitAsync(left with { Account = other }, Cancellation),
                servers.Ledger.DebitAsync(right with { Account = one }, Cancellation),
                servers.Ledger.RefundAsync(left.Id, Cancellation),
                servers.Ledger.RefundAsync(right.Id, Cancellation)).WaitAsync(Timeout, Cancellation);
        }

        Assert.Equal(before, await DeadlocksAsync());
        await servers.AssertBooksBalanceAsync(one, await servers.Ledger.GetBalanceAsync(one, Cancellation));
        await servers.AssertBooksBalanceAsync(other, await servers.Ledger.GetBalanceAsync(other, Cancellation));
    }

    private static TransferRequest Charge(long account, long amount = 100) =>
        new(Guid.NewGuid(), account, amount, TransferKind.Charge);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<long> NewAccountAsync()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        return account;
    }

    private Task<long> DeadlocksAsync() => servers.NumberAsync(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
}
