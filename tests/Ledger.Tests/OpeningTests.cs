using Ledger.Service.Accounts;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>Accounts of users who bring tokens along: opened once, with that number and no other.</summary>
public sealed class OpeningTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3700)]
    [InlineData(Balance.Max)]
    public async Task Opening_OfANewAccount_IsItsFirstTransferAndItsBalance(long tokens)
    {
        var account = ServersFixture.NewAccount();
        Assert.True(await OpenAsync(account, tokens));
        await servers.AssertBooksBalanceAsync(account, tokens);
        Assert.Equal(tokens, await servers.Accounts.GetBalanceAsync(account, Cancellation)); // And not 4000.
        Assert.Equal(tokens == 0 ? 0 : 1, await servers.NumberAsync(
            "SELECT count(*) FROM transfers WHERE account = $1 AND kind = 1 AND version = 1", account));
        await AssertNothingIsOffAsync(account);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3700)]
    public async Task Opening_Again_ChangesNothingAlsoWhenTokensAreSpentOrTheAccountIsClosed(long tokens)
    {
        var account = ServersFixture.NewAccount();
        await OpenAsync(account, tokens);
        Assert.False(await OpenAsync(account, tokens));
        var credit = new TransferRequest(Guid.NewGuid(), account, 500, TransferKind.Credit, "gift");
        await servers.Ledger.MoveAsync(credit, Cancellation);
        var deduction = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction);
        await servers.Ledger.MoveAsync(deduction, Cancellation);
        await servers.Accounts.CloseAsync(account, Cancellation);

        Assert.False(await OpenAsync(account, tokens));
        await servers.AssertBooksBalanceAsync(account, tokens + 400);
        await AssertNothingIsOffAsync(account);
    }

    [Theory]
    [InlineData(100, 101)]
    [InlineData(100, 0)]
    [InlineData(0, 100)]
    public async Task Opening_WithAnotherNumber_WritesNothing(long first, long second)
    {
        var account = ServersFixture.NewAccount();
        await OpenAsync(account, first);
        Assert.False(await OpenAsync(account, second));
        await servers.AssertBooksBalanceAsync(account, first);
    }

    [Fact]
    public async Task Opening_OfAnAccountThatOpenedItself_WritesNothing()
    {
        var account = ServersFixture.NewAccount();
        await servers.Accounts.GetBalanceAsync(account, Cancellation);
        Assert.False(await OpenAsync(account, 0));
        Assert.False(await OpenAsync(account, 3999));
        await servers.AssertBooksBalanceAsync(account, 4000);
    }

    [Fact]
    public async Task Opening_ManyAtOnceAndFirstContacts_OneIsCreatedAndTheBooksBalance()
    {
        var account = ServersFixture.NewAccount();
        var contacts = Enumerable.Range(0, 10).Select(_ => servers.Accounts.OpenAsync(account, Cancellation));
        var openings = Enumerable.Range(0, 20).Select(n => OpenAsync(account, n % 2)).ToList();
        var outcomes = await Task.WhenAll(openings);
        await Task.WhenAll(contacts);
        Assert.InRange(outcomes.Count(isNew => isNew), 0, 1);
        var balance = await servers.Accounts.GetBalanceAsync(account, Cancellation);
        await servers.AssertBooksBalanceAsync(account, balance!.Value);
    }

    private Task<bool> OpenAsync(long account, long tokens) =>
        servers.Accounts.OpenAsync(account, tokens, Cancellation);

    private async Task AssertNothingIsOffAsync(long account)
    {
        await foreach (var drift in servers.Verifier.VerifyBooksAsync(accounts: null, report: null, Cancellation))
        {
            Assert.NotEqual($"account {account}", drift.Row);
        }
    }
}
