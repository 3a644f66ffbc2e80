using Ledger.Service.Transfers;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Parts of a charge are given back under names of their own, and never more than was charged.</summary>
public sealed class RefundTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Refund_OfAPartlyRefundedCharge_GivesBackTheRestOnce()
    {
        var (account, charge) = await ChargeAsync(100);
        await servers.Ledger.RefundAsync(new RefundRequest(charge, Guid.NewGuid(), 30), Cancellation);
        await servers.AssertBooksBalanceAsync(account, 3930);

        var rest = await servers.Ledger.RefundAsync(charge, Cancellation);
        Assert.Equal((TransferStatus.Created, 4000), (rest.Status, rest.Balance.Tokens));
        var again = await servers.Ledger.RefundAsync(charge, Cancellation);
        Assert.Equal((TransferStatus.Exists, rest.Transfer), (again.Status, again.Transfer));
        await servers.AssertBooksBalanceAsync(account, 4000);
    }

    [Fact]
    public async Task Charge_PartlyRefunded_StillStands()
    {
        var (account, charge) = await ChargeAsync(100);
        await servers.Ledger.RefundAsync(new RefundRequest(charge, Guid.NewGuid(), 99), Cancellation);
        var again = await servers.Ledger.DebitAsync(
            new TransferRequest(charge, account, 100, TransferKind.Charge), Cancellation);
        Assert.Equal(TransferStatus.Exists, again.Status);
        await servers.AssertBooksBalanceAsync(account, 3999);
    }

    [Fact]
    public async Task Refunds_OfPartsAtOnce_NeverExceedTheCharge()
    {
        var (account, charge) = await ChargeAsync(100);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ =>
            servers.Ledger.RefundAsync(new RefundRequest(charge, Guid.NewGuid(), 30), Cancellation)));
        Assert.Equal(3, outcomes.Count(outcome => outcome.Status == TransferStatus.Created));
        Assert.Equal(9, outcomes.Count(outcome => outcome.Status == TransferStatus.RefundExceedsCharge));
        await servers.AssertBooksBalanceAsync(account, 3990);
    }

    /// <summary>
    /// Both statements are begun, and have seen the charge, before either can write: after the row's lock is free the
    /// second still goes by what it has seen.
    /// </summary>
    [Fact]
    public async Task Refunds_ThatSawTheSameRest_AreNotBothWritten()
    {
        var (account, charge) = await ChargeAsync(100);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await using (var hold = new NpgsqlCommand($"SELECT FROM accounts WHERE id = {account} FOR UPDATE", holder))
        {
            await hold.ExecuteNonQueryAsync(Cancellation);
        }

        var refunds = Enumerable.Range(0, 2).Select(_ =>
            servers.Ledger.RefundAsync(new RefundRequest(charge, Guid.NewGuid(), 60), Cancellation)).ToList();
        await servers.BlockedByAsync(holder, count: 2);
        await transaction.CommitAsync(Cancellation);

        var statuses = (await Task.WhenAll(refunds)).Select(outcome => outcome.Status).Order();
        Assert.Equal([TransferStatus.RefundExceedsCharge, TransferStatus.Created], statuses);
        await servers.AssertBooksBalanceAsync(account, 3960);
    }

    [Fact]
    public async Task Refund_OneNameManyTimesAtOnce_IsWrittenOnce()
    {
        var (account, charge) = await ChargeAsync(100);
        var refund = new RefundRequest(charge, Guid.NewGuid(), 30);
        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 12).Select(_ => servers.Ledger.RefundAsync(refund, Cancellation)));
        Assert.Single(outcomes, outcome => outcome.Status == TransferStatus.Created);
        Assert.Equal(11, outcomes.Count(outcome => outcome.Status == TransferStatus.Exists));
        await servers.AssertBooksBalanceAsync(account, 3930);
    }

    private async Task<(long Account, Guid Charge)> ChargeAsync(long amount)
    {
        var account = ServersFixture.NewAccount();
        var charge = new TransferRequest(Guid.NewGuid(), account, amount, TransferKind.Charge);
        await servers.Ledger.DebitAsync(charge, Cancellation);
        return (account, charge.Id);
    }
}
