using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>What the ledger promises, on a real Postgres.</summary>
public sealed class TokenLedgerTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static TransferRequest Deduction(long account, long amount = 100, Guid? id = null, string? reason = null) =>
        new(id ?? Guid.NewGuid(), account, amount, TransferKind.Deduction, reason);

    [Fact]
    public async Task FirstContact_ManyAtOnce_OpensOnce()
    {
        var account = ServersFixture.NewAccount();
        var balances = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => servers.Accounts.GetBalanceAsync(account, Cancellation)));
        Assert.All(balances, balance => Assert.Equal(4000, balance));
        await servers.AssertBooksBalanceAsync(account, 4000);
        Assert.Equal(1, await servers.NumberAsync("SELECT count(*) FROM transfers WHERE account = $1", account));
    }

    [Fact]
    public async Task FirstContact_ByDeductionsAtOnce_OpensOnceAndTakesAll()
    {
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => servers.Ledger.MoveAsync(Deduction(account), Cancellation)));
        Assert.All(outcomes, outcome => Assert.Equal(HoldOutcome.Created, outcome.Status));
        await servers.AssertBooksBalanceAsync(account, 2000);
    }

    [Fact]
    public async Task Deduction_200AtOnce_Exactly40AreCreated()
    {
        var account = ServersFixture.NewAccount();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 200)
            .Select(_ => servers.Ledger.MoveAsync(Deduction(account), Cancellation)));
        Assert.Equal(40, outcomes.Count(outcome => outcome.Status == HoldOutcome.Created));
        Assert.Equal(160, outcomes.Count(outcome => outcome.Status == HoldOutcome.InsufficientTokens));
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Fact]
    public async Task Deduction_OneName50TimesAtOnce_IsWrittenOnce()
    {
        var account = ServersFixture.NewAccount();
        var id = Guid.NewGuid();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50)
            .Select(_ => servers.Ledger.MoveAsync(Deduction(account, id: id), Cancellation)));
        Assert.Single(outcomes, outcome => outcome.Status == HoldOutcome.Created);
        Assert.Equal(49, outcomes.Count(outcome => outcome.Status == HoldOutcome.Exists));
        Assert.All(outcomes, outcome => Assert.Equal(3900, outcome.Tokens));
        await servers.AssertBooksBalanceAsync(account, 3900);
    }

    [Fact]
    public async Task Deduction_NameTakenAndTooFewTokensLeft_StillSaysExists()
    {
        var account = ServersFixture.NewAccount();
        var all = Deduction(account, amount: 4000);
        Assert.Equal(HoldOutcome.Created, (await servers.Ledger.MoveAsync(all, Cancellation)).Status);
        Assert.Equal(HoldOutcome.Exists, (await servers.Ledger.MoveAsync(all, Cancellation)).Status);
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Theory]
    [InlineData("amount")]
    [InlineData("kind")]
    [InlineData("reason")]
    public async Task Deduction_SameNameOtherContent_IsRefusedAndWritesNothing(string what)
    {
        var account = ServersFixture.NewAccount();
        var request = Deduction(account, reason: "one");
        await servers.Ledger.MoveAsync(request, Cancellation);
        var outcome = await servers.Ledger.MoveAsync(what switch
        {
            "amount" => request with { Amount = 200 },
            "kind" => request with { Kind = TransferKind.Credit },
            _ => request with { Reason = "another" },
        }, Cancellation);
        Assert.Equal(HoldOutcome.ExistsWithDifferentContent, outcome.Status);
        await servers.AssertBooksBalanceAsync(account, 3900);
    }

    [Fact]
    public async Task Deduction_SameIdInAnotherAccount_IsAnotherTransfer()
    {
        var (one, other) = (ServersFixture.NewAccount(), ServersFixture.NewAccount());
        var request = Deduction(one);
        await servers.Ledger.MoveAsync(request, Cancellation);
        var second = await servers.Ledger.MoveAsync(request with { Account = other }, Cancellation);
        Assert.Equal((HoldOutcome.Created, 3900), (second.Status, second.Tokens));
        await servers.AssertBooksBalanceAsync(one, 3900);
        await servers.AssertBooksBalanceAsync(other, 3900);
    }

    /// <summary>What was held then, and not what is held now, is part of the first outcome.</summary>
    [Fact]
    public async Task Deduction_RepeatedAfterOtherChanges_HasTheFirstOutcome()
    {
        var account = ServersFixture.NewAccount();
        var hold = new HoldItem(HoldOperation.Hold, account, Guid.NewGuid(), Guid.Empty, 500, new byte[32]);
        await servers.Ledger.CarryOutAsync([hold], Cancellation);
        var request = Deduction(account);
        Assert.Equal(3400, (await servers.Ledger.MoveAsync(request, Cancellation)).Tokens);
        await servers.Ledger.CarryOutAsync([hold with { Operation = HoldOperation.Release }], Cancellation);
        await servers.Ledger.MoveAsync(Deduction(account), Cancellation);
        var again = await servers.Ledger.MoveAsync(request, Cancellation);
        Assert.Equal((HoldOutcome.Exists, 3400), (again.Status, again.Tokens));
        Assert.Equal(3800, await servers.Accounts.GetBalanceAsync(account, Cancellation));
    }

    [Fact]
    public async Task Deduction_MoreThanTheBalance_LeavesNoTrace()
    {
        var account = ServersFixture.NewAccount();
        await servers.Accounts.GetBalanceAsync(account, Cancellation);
        var outcome = await servers.Ledger.MoveAsync(Deduction(account, amount: 4001), Cancellation);
        Assert.Equal(HoldOutcome.InsufficientTokens, outcome.Status);
        Assert.Equal(4000, outcome.Tokens);
        await servers.AssertBooksBalanceAsync(account, 4000);
        Assert.Equal(
            0,
            await servers.NumberAsync("SELECT count(*) FROM transfers WHERE account = $1 AND amount < 0", account));
    }
}
