using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>
/// Where several refusals hold, the first in the order of docs/ledger.md is the answer, and nothing is
/// written. Each row sets a request up in which its status holds and, where that is possible, later ones too.
/// </summary>
public sealed class PrecedenceTests(ServersFixture servers)
{
    private const long TooMuch = 5000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Every status that a deduction can have, with all that can hold behind it.</summary>
    public static TheoryData<string, string> Deductions => new()
    {
        { nameof(HoldOutcome.InvalidAmount), "exists, closed, amount 0" },
        { nameof(HoldOutcome.ExistsWithDifferentContent), "exists, closed, key limit, amount too high" },
        { nameof(HoldOutcome.Exists), "exists, closed, key limit, spent" },
        { nameof(HoldOutcome.UnknownAccount), "unknown account, key limit, amount too high" },
        { nameof(HoldOutcome.AccountClosed), "closed, amount too high" },
        { nameof(HoldOutcome.AccountClosed), "closed" },
        { nameof(HoldOutcome.AccountClosed), "closed, key limit, amount too high" },
        { nameof(HoldOutcome.Exists), "exists, key limit" },
        { nameof(HoldOutcome.KeyLimitReached), "key limit, amount too high" },
        { nameof(HoldOutcome.KeyLimitReached), "key limit" },
        { nameof(HoldOutcome.KeyLimitReached), "key limit, budget" },
        { nameof(HoldOutcome.BudgetReached), "budget, amount too high" },
        { nameof(HoldOutcome.BudgetReached), "budget" },
        { nameof(HoldOutcome.InsufficientTokens), "amount too high" },
        { nameof(HoldOutcome.InsufficientTokens), "held, amount too high" },
        { nameof(HoldOutcome.TokensHeld), "held" },
        { nameof(HoldOutcome.Created), "" },
    };

    /// <summary>The same for holds.</summary>
    public static TheoryData<string, string> Holds => new()
    {
        { nameof(HoldOutcome.Conflict), "captured, other hash, closed, key limit, amount too high" },
        { nameof(HoldOutcome.Captured), "captured, other holder, closed, key limit, amount too high" },
        { nameof(HoldOutcome.Conflict), "exists, other hash, other holder, closed, key limit, amount too high" },
        { nameof(HoldOutcome.InProgress), "exists, other holder, closed, key limit, amount too high" },
        { nameof(HoldOutcome.Held), "exists, closed, key limit, amount too high" },
        { nameof(HoldOutcome.UnknownAccount), "unknown account, key limit, amount too high" },
        { nameof(HoldOutcome.AccountClosed), "closed, key limit, amount too high" },
        { nameof(HoldOutcome.KeyLimitReached), "key limit, amount too high" },
        { nameof(HoldOutcome.KeyLimitReached), "key limit, budget" },
        { nameof(HoldOutcome.BudgetReached), "budget, amount too high" },
        { nameof(HoldOutcome.InsufficientTokens), "amount too high" },
        { nameof(HoldOutcome.Held), "" },
    };

    /// <summary>The same for credits.</summary>
    public static TheoryData<string, string> Credits => new()
    {
        { nameof(HoldOutcome.InvalidAmount), "unknown account, amount 0" },
        { nameof(HoldOutcome.ExistsWithDifferentContent), "exists, closed, other amount" },
        { nameof(HoldOutcome.Exists), "exists, closed" },
        { nameof(HoldOutcome.UnknownAccount), "unknown account, amount too high" },
        { nameof(HoldOutcome.AccountClosed), "closed, amount too high" },
        { nameof(HoldOutcome.AccountClosed), "closed" },
        { nameof(HoldOutcome.BalanceTooLarge), "amount too high" },
        { nameof(HoldOutcome.Created), "" },
    };

    [Theory]
    [MemberData(nameof(Deductions))]
    public async Task Deduction_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = Has("unknown account") ? ServersFixture.Identity.NewNobody() : await NewAccountAsync();
        var request = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Deduction);
        if (Has("exists"))
        {
            await servers.Ledger.MoveAsync(request, Cancellation);
        }

        if (Has("spent"))
        {
            var left = (await servers.Accounts.GetBalanceAsync(account, Cancellation))!.Value;
            await servers.Ledger.MoveAsync(
                new TransferRequest(Guid.NewGuid(), account, left, TransferKind.Deduction), Cancellation);
        }

        if (Has("held"))
        {
            var all = new HoldItem(HoldOperation.Hold, account, Guid.NewGuid(), Guid.Empty, 4000, new byte[32]);
            await servers.Ledger.CarryOutAsync([all], Cancellation);
        }

        request = request with { Amount = Has("amount 0") ? 0 : Has("amount too high") ? TooMuch : 100 };
        request = request with { Key = Has("key limit") ? new UsedApiKey(1, 99, null) : null };
        await servers.Accounts.SetBudgetAsync(account, Has("budget") ? 99 : null, Cancellation);
        await CloseIfAsync(Has("closed"), account);
        await AssertAsync(expected, account, () => servers.Ledger.MoveAsync(request, Cancellation));

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    [Theory]
    [MemberData(nameof(Holds))]
    public async Task Hold_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = Has("unknown account") ? ServersFixture.Identity.NewNobody() : await NewAccountAsync();
        var hold = new HoldItem(HoldOperation.Hold, account, Guid.NewGuid(), Guid.NewGuid(), 100, new byte[32]);
        if (Has("exists") || Has("captured"))
        {
            await servers.Ledger.CarryOutAsync([hold], Cancellation);
        }

        if (Has("captured"))
        {
            await servers.Ledger.CarryOutAsync([hold with { Operation = HoldOperation.Capture }], Cancellation);
        }

        var request = hold with
        {
            Amount = Has("amount too high") ? TooMuch : 100,
            Hash = Has("other hash") ? [.. Enumerable.Repeat((byte)1, 32)] : hold.Hash,
            Holder = Has("other holder") ? Guid.NewGuid() : hold.Holder,
            Key = Has("key limit") ? new UsedApiKey(1, 99, null) : null,
        };
        await servers.Accounts.SetBudgetAsync(account, Has("budget") ? 99 : null, Cancellation);
        await CloseIfAsync(Has("closed"), account);
        var result = Assert.Single(await servers.Ledger.CarryOutAsync([request], Cancellation));
        Assert.Equal(expected, $"{result.Outcome}");

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    [Theory]
    [MemberData(nameof(Credits))]
    public async Task Credit_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = Has("unknown account") ? ServersFixture.Identity.NewNobody() : await NewAccountAsync();
        var request = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Credit, "test");
        if (Has("exists"))
        {
            await servers.Ledger.MoveAsync(request, Cancellation);
        }

        request = request with
        {
            Amount = Has("amount 0") ? 0 : Has("amount too high") ? Balance.Max : Has("other amount") ? 200 : 100,
        };
        await CloseIfAsync(Has("closed"), account);
        await AssertAsync(expected, account, () => servers.Ledger.MoveAsync(request, Cancellation));

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    /// <summary>What the end of a hold and a failure are called has no precedence.</summary>
    [Fact]
    public void Table_OfAllStatuses_LeavesNoneOut() => Assert.Equal(
        [nameof(HoldOutcome.Failed), nameof(HoldOutcome.Released), nameof(HoldOutcome.UnknownHold)],
        Enum.GetNames<HoldOutcome>().Except(
            Deductions.Concat(Holds).Concat(Credits).Select(row => row.Data.Item1)));

    private async Task<long> NewAccountAsync()
    {
        var account = ServersFixture.NewAccount();
        await servers.Accounts.GetBalanceAsync(account, Cancellation);
        return account;
    }

    private Task CloseIfAsync(bool closed, long account) =>
        closed ? servers.Accounts.CloseAsync(account, Cancellation) : Task.CompletedTask;

    /// <summary>The status is the expected one, and a refusal leaves no trace.</summary>
    private async Task AssertAsync(string expected, long account, Func<Task<Outcome>> request)
    {
        const string Count = "SELECT count(*) FROM transfers WHERE account = $1";
        const string Version = "SELECT coalesce(max(version), 0) FROM accounts WHERE id = $1";
        var before = (await servers.NumberAsync(Count, account), await servers.NumberAsync(Version, account));
        var outcome = await request();
        Assert.Equal(expected, $"{outcome.Status}");
        var after = (await servers.NumberAsync(Count, account), await servers.NumberAsync(Version, account));
        if (outcome.Status is not HoldOutcome.Created)
        {
            Assert.Equal(before, after);
        }
    }
}
