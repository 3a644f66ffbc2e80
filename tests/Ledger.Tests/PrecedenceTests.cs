using Ledger.Service.Accounts;
using Ledger.Service.Keys;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>
/// Where several refusals hold, the first in the order of <see cref="TransferStatus"/> is the answer, and nothing is
/// written. Each row sets a request up in which its status holds and, where that is possible, later ones too.
/// </summary>
public sealed class PrecedenceTests(ServersFixture servers)
{
    private const long TooMuch = 5000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Every status but Created that a charge can have, with all that can hold behind it.</summary>
    public static TheoryData<string, string> Charges => new()
    {
        { nameof(TransferStatus.InvalidAmount), "exists, closed, amount 0" },
        { nameof(TransferStatus.ExistsWithDifferentContent), "exists, refunded, closed, amount too high" },
        { nameof(TransferStatus.AlreadyRefunded), "exists, refunded, closed, spent" },
        { nameof(TransferStatus.AlreadyRefunded), "void, closed, amount too high" },
        { nameof(TransferStatus.Exists), "exists, closed, spent" },
        { nameof(TransferStatus.AccountClosed), "closed, amount too high" },
        { nameof(TransferStatus.AccountClosed), "closed" },
        { nameof(TransferStatus.AccountClosed), "closed, key limit, amount too high" },
        { nameof(TransferStatus.Exists), "exists, key limit" },
        { nameof(TransferStatus.KeyLimitReached), "key limit, amount too high" },
        { nameof(TransferStatus.KeyLimitReached), "key limit" },
        { nameof(TransferStatus.InsufficientTokens), "amount too high" },
        { nameof(TransferStatus.Created), "" },
    };

    /// <summary>The same for refunds of parts.</summary>
    public static TheoryData<string, string> Refunds => new()
    {
        { nameof(TransferStatus.InvalidAmount), "name taken, refunded, amount 0" },
        { nameof(TransferStatus.ExistsWithDifferentContent), "name taken, refunded, other amount, amount too high" },
        { nameof(TransferStatus.AlreadyRefunded), "refunded, amount too high" },
        { nameof(TransferStatus.Exists), "name taken, refunded" },
        { nameof(TransferStatus.UnknownCharge), "no charge, amount too high" },
        { nameof(TransferStatus.RefundExceedsCharge), "amount too high" },
        { nameof(TransferStatus.Created), "closed" },
    };

    /// <summary>The same for credits.</summary>
    public static TheoryData<string, string> Credits => new()
    {
        { nameof(TransferStatus.InvalidAmount), "unknown account, amount 0" },
        { nameof(TransferStatus.ExistsWithDifferentContent), "exists, closed, other amount" },
        { nameof(TransferStatus.Exists), "exists, closed" },
        { nameof(TransferStatus.UnknownAccount), "unknown account, amount too high" },
        { nameof(TransferStatus.AccountClosed), "closed, amount too high" },
        { nameof(TransferStatus.AccountClosed), "closed" },
        { nameof(TransferStatus.BalanceTooLarge), "amount too high" },
        { nameof(TransferStatus.Created), "" },
    };

    [Theory]
    [MemberData(nameof(Charges))]
    public async Task Charge_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = await NewAccountAsync();
        var request = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Charge);
        if (Has("exists"))
        {
            await servers.Ledger.DebitAsync(request, Cancellation);
        }

        if (Has("refunded") || Has("void"))
        {
            await servers.Ledger.RefundAsync(request.Id, Cancellation);
        }

        if (Has("spent"))
        {
            var left = await servers.Ledger.GetBalanceAsync(account, Cancellation);
            await servers.Ledger.DebitAsync(
                new TransferRequest(Guid.NewGuid(), account, left, TransferKind.Deduction), Cancellation);
        }

        request = request with { Amount = Has("amount 0") ? 0 : Has("amount too high") ? TooMuch : 100 };
        request = request with { Key = Has("key limit") ? new KeyUse(1, 99, null, new DateOnly(2026, 1, 5)) : null };
        await CloseIfAsync(Has("closed"), account);
        await AssertAsync(expected, account, () => servers.Ledger.DebitAsync(request, Cancellation));

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    [Theory]
    [MemberData(nameof(Refunds))]
    public async Task Refund_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = await NewAccountAsync();
        var charge = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Charge);
        var request = new RefundRequest(charge.Id, Guid.NewGuid(), 40);
        if (!Has("no charge"))
        {
            await servers.Ledger.DebitAsync(charge, Cancellation);
        }

        if (Has("name taken"))
        {
            await servers.Ledger.RefundAsync(request, Cancellation);
        }

        if (Has("refunded"))
        {
            await servers.Ledger.RefundAsync(charge.Id, Cancellation);
        }

        request = request with { Amount = Has("amount 0") ? 0 : Has("amount too high") ? TooMuch : 40 };
        await CloseIfAsync(Has("closed"), account);
        await AssertAsync(expected, account, () => servers.Ledger.RefundAsync(request, Cancellation));

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    [Theory]
    [MemberData(nameof(Credits))]
    public async Task Credit_WithSeveralRefusals_HasTheFirst(string expected, string given)
    {
        var account = Has("unknown account") ? ServersFixture.NewAccount() : await NewAccountAsync();
        var request = new TransferRequest(Guid.NewGuid(), account, 100, TransferKind.Credit, "test");
        if (Has("exists"))
        {
            await servers.Ledger.CreditAsync(request, Cancellation);
        }

        request = request with
        {
            Amount = Has("amount 0") ? 0 : Has("amount too high") ? Balance.Max : Has("other amount") ? 200 : 100,
        };
        await CloseIfAsync(Has("closed"), account);
        await AssertAsync(expected, account, () => servers.Ledger.CreditAsync(request, Cancellation));

        bool Has(string condition) => given.Split(", ").Contains(condition);
    }

    [Fact]
    public void Table_OfAllStatuses_LeavesNoneOut() => Assert.Empty(
        Enum.GetNames<TransferStatus>().Except(
            Charges.Concat(Refunds).Concat(Credits).Select(row => row.Data.Item1)));

    private async Task<long> NewAccountAsync()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        return account;
    }

    private Task CloseIfAsync(bool closed, long account) =>
        closed ? servers.Ledger.CloseAsync(account, Cancellation) : Task.CompletedTask;

    /// <summary>The status is the expected one, and a refusal leaves no trace.</summary>
    private async Task AssertAsync(string expected, long account, Func<Task<Outcome>> request)
    {
        const string Count = "SELECT count(*) FROM transfers WHERE account = $1";
        const string Version = "SELECT coalesce(max(version), 0) FROM accounts WHERE id = $1";
        var before = (await servers.NumberAsync(Count, account), await servers.NumberAsync(Version, account));
        var outcome = await request();
        Assert.Equal(expected, $"{outcome.Status}");
        var after = (await servers.NumberAsync(Count, account), await servers.NumberAsync(Version, account));
        if (outcome.Status is not TransferStatus.Created)
        {
            Assert.Equal(before, after);
        }
    }
}
