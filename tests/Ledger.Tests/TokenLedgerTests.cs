using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>What the ledger promises, on a real Postgres.</summary>
public sealed class TokenLedgerTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static TransferRequest Charge(long account, long amount = 100, Guid? id = null, string? reason = null) =>
        new(id ?? Guid.NewGuid(), account, amount, TransferKind.Charge, reason);

    [Fact]
    public async Task FirstContact_ManyAtOnce_OpensOnce()
    {
        var account = ServersFixture.NewAccount();
        var balances = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => servers.Ledger.GetBalanceAsync(account, Cancellation)));
        Assert.All(balances, balance => Assert.Equal(4000, balance));
        await servers.AssertBooksBalanceAsync(account, 4000);
        Assert.Equal(1, await servers.NumberAsync("SELECT count(*) FROM transfers WHERE credit_account = $1", account));
    }

    [Fact]
    public async Task FirstContact_ByChargesAtOnce_OpensOnceAndChargesAll()
    {
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => servers.Ledger.DebitAsync(Charge(account), Cancellation)));
        Assert.All(outcomes, outcome => Assert.Equal(TransferStatus.Created, outcome.Status));
        await servers.AssertBooksBalanceAsync(account, 2000);
    }

    [Fact]
    public async Task Debit_200AtOnce_Exactly40AreCreated()
    {
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 200)
            .Select(_ => servers.Ledger.DebitAsync(Charge(account), Cancellation)));
        Assert.Equal(40, outcomes.Count(outcome => outcome.Status == TransferStatus.Created));
        Assert.Equal(160, outcomes.Count(outcome => outcome.Status == TransferStatus.InsufficientTokens));
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Fact]
    public async Task Debit_OneName50TimesAtOnce_IsWrittenOnce()
    {
        var account = ServersFixture.NewAccount();
        var id = Guid.NewGuid();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50)
            .Select(_ => servers.Ledger.DebitAsync(Charge(account, id: id), Cancellation)));
        Assert.Single(outcomes, outcome => outcome.Status == TransferStatus.Created);
        Assert.Equal(49, outcomes.Count(outcome => outcome.Status == TransferStatus.Exists));
        Assert.All(outcomes, outcome => Assert.Equal(3900, outcome.Balance.Tokens));
        await servers.AssertBooksBalanceAsync(account, 3900);
    }

    [Fact]
    public async Task Debit_NameTakenAndTooFewTokensLeft_StillSaysExists()
    {
        var account = ServersFixture.NewAccount();
        var all = Charge(account, amount: 4000);
        Assert.Equal(TransferStatus.Created, (await servers.Ledger.DebitAsync(all, Cancellation)).Status);
        Assert.Equal(TransferStatus.Exists, (await servers.Ledger.DebitAsync(all, Cancellation)).Status);
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Theory]
    [InlineData("amount")]
    [InlineData("account")]
    [InlineData("kind")]
    [InlineData("reason")]
    public async Task Debit_SameNameOtherContent_IsRefusedAndWritesNothing(string what)
    {
        var account = ServersFixture.NewAccount();
        var request = Charge(account, reason: "one");
        await servers.Ledger.DebitAsync(request, Cancellation);
        var outcome = await servers.Ledger.DebitAsync(what switch
        {
            "amount" => request with { Amount = 200 },
            "account" => request with { Account = ServersFixture.NewAccount() },
            "kind" => request with { Kind = TransferKind.Deduction },
            _ => request with { Reason = "another" },
        }, Cancellation);
        Assert.Equal(TransferStatus.ExistsWithDifferentContent, outcome.Status);
        await servers.AssertBooksBalanceAsync(account, 3900);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Charge_SentTwiceAtOnce_TellsBothWhoseItIs(bool isWithKey)
    {
        var request = Charge(ServersFixture.NewAccount()) with
        {
            Key = isWithKey ? new(1, Limit: null, DailyLimit: null, new(2026, 1, 5)) : null,
        };
        var origins = Enumerable.Range(0, 10).Select(_ => Guid.NewGuid()).ToList();
        var outcomes = await Task.WhenAll(origins
            .Select(origin => servers.Ledger.DebitAsync(request with { Origin = origin }, Cancellation)));
        var written = Assert.Single(outcomes, outcome => outcome.Status is TransferStatus.Created);
        Assert.Equal(origins[Array.IndexOf(outcomes, written)], written.Origin);
        Assert.All(outcomes, outcome => Assert.Equal(written.Origin, outcome.Origin));
        await servers.AssertBooksBalanceAsync(request.Account, 3900);
    }

    [Fact]
    public async Task Debit_MoreThanTheBalance_LeavesNoTrace()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        var outcome = await servers.Ledger.DebitAsync(Charge(account, amount: 4001), Cancellation);
        Assert.Equal(TransferStatus.InsufficientTokens, outcome.Status);
        Assert.Equal(4000, outcome.Balance.Tokens);
        await servers.AssertBooksBalanceAsync(account, 4000);
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM transfers WHERE debit_account = $1", account));
    }

    [Fact]
    public async Task Refund_20TimesAtOnce_GivesBackOnce()
    {
        var account = ServersFixture.NewAccount();
        var charge = Charge(account);
        await servers.Ledger.DebitAsync(charge, Cancellation);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => servers.Ledger.RefundAsync(charge.Id, Cancellation)));
        Assert.Single(outcomes, outcome => outcome.Status == TransferStatus.Created);
        Assert.Equal(19, outcomes.Count(outcome => outcome.Status == TransferStatus.Exists));
        Assert.Single(outcomes.Select(outcome => outcome.Transfer).Distinct());
        await servers.AssertBooksBalanceAsync(account, 4000);
    }

    [Fact]
    public async Task Charge_OnceRefunded_CannotBeMadeAgain()
    {
        var account = ServersFixture.NewAccount();
        var charge = Charge(account);
        await servers.Ledger.DebitAsync(charge, Cancellation);
        await servers.Ledger.RefundAsync(charge.Id, Cancellation);
        var again = await servers.Ledger.DebitAsync(charge, Cancellation);
        Assert.Equal(TransferStatus.AlreadyRefunded, again.Status);
        await servers.AssertBooksBalanceAsync(account, 4000);
    }

    [Fact]
    public async Task Refund_OfNoCharge_IsUnknown()
    {
        Assert.Equal(
            TransferStatus.UnknownCharge, (await servers.Ledger.RefundAsync(Guid.NewGuid(), Cancellation)).Status);

        // A deduction is the user's own doing and no charge.
        var account = ServersFixture.NewAccount();
        var deduction = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction, null);
        await servers.Ledger.DebitAsync(deduction, Cancellation);
        Assert.Equal(
            TransferStatus.UnknownCharge, (await servers.Ledger.RefundAsync(deduction.Id, Cancellation)).Status);
        await servers.AssertBooksBalanceAsync(account, 3900);
    }

    [Fact]
    public async Task Charge_ThatArrivesAfterItsRefund_IsRefused()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        var late = Charge(account);
        Assert.Equal(TransferStatus.UnknownCharge, (await servers.Ledger.RefundAsync(late.Id, Cancellation)).Status);
        Assert.Equal(TransferStatus.UnknownCharge, (await servers.Ledger.RefundAsync(late.Id, Cancellation)).Status);
        Assert.Equal(TransferStatus.AlreadyRefunded, (await servers.Ledger.DebitAsync(late, Cancellation)).Status);
        await servers.AssertBooksBalanceAsync(account, 4000);
    }

    /// <summary>Whoever comes first has the name: the charge, whose origin the other is told, or the void.</summary>
    [Fact]
    public async Task Void_AtTheSameTimeAsItsCharge_IsToldWhoseItIsOrPreventsIt()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        var written = await Task.WhenAll(Enumerable.Range(0, 40).Select(async _ =>
        {
            var charge = Charge(account, amount: 10) with { Origin = Guid.NewGuid() };
            var (debit, found) = (
                servers.Ledger.DebitAsync(charge, Cancellation), servers.Ledger.VoidAsync(charge.Id, Cancellation));
            var isWritten = (await debit).Status is TransferStatus.Created;
            Assert.Equal(isWritten ? charge.Origin : null, (await found)?.Origin);
            Assert.Equal(isWritten ? TransferStatus.Created : TransferStatus.AlreadyRefunded, (await debit).Status);
            Assert.Equal(isWritten, await servers.Ledger.VoidAsync(charge.Id, Cancellation) is not null);
            return isWritten;
        }));
        await servers.AssertBooksBalanceAsync(account, 4000 - (10 * written.Count(isWritten => isWritten)));
    }

    [Fact]
    public async Task Refund_AtTheSameTimeAsItsCharge_LeavesNothingCharged()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            var charge = Charge(account);
            await Task.WhenAll(
                servers.Ledger.DebitAsync(charge, Cancellation), servers.Ledger.RefundAsync(charge.Id, Cancellation));
        }));
        Assert.Equal(4000, await servers.Ledger.GetBalanceAsync(account, Cancellation));
        await servers.AssertBooksBalanceAsync(account, 4000);
    }
}
