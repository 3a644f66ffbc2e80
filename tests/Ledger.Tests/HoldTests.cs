using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>Hold, capture, release and renewal, each by itself and under haste.</summary>
public sealed class HoldTests(ServersFixture servers)
{
    private const int Clients = 20;

    private static readonly byte[] Hash = [.. Enumerable.Repeat((byte)1, 32)];

    private readonly long _account = ServersFixture.NewAccount();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The first contact opens the account with 4,000.</summary>
    [Fact]
    public async Task Holds_200AtOnceOfAFreshAccount_AreAcceptedForWhatItHas()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => OneAsync(Hold())));
        Assert.Equal(40, results.Count(result => result.Outcome is HoldOutcome.Held));
        Assert.Equal(160, results.Count(result => result.Outcome is HoldOutcome.InsufficientTokens));
        Assert.Equal((4000, 4000), await BooksAsync());
        Assert.Equal(0, await servers.Accounts.GetBalanceAsync(_account, Cancellation));
    }

    [Fact]
    public async Task Hold_Repeated_IsItsHoldersAlone()
    {
        var hold = Hold();
        Assert.Equal(new HoldResult(HoldOutcome.Held, 100, 4000, 100), await OneAsync(hold));
        Assert.Equal(new HoldResult(HoldOutcome.Held, 100, 4000, 100), await OneAsync(hold));
        Assert.Equal(HoldOutcome.InProgress, (await OneAsync(hold with { Holder = Guid.NewGuid() })).Outcome);
        Assert.Equal(HoldOutcome.Conflict, (await OneAsync(hold with { Hash = new byte[32] })).Outcome);
        Assert.Equal((4000, 100), await BooksAsync());
    }

    [Theory]
    [InlineData(30, 3970)]
    [InlineData(100, 3900)]
    [InlineData(5000, 3900)] // At most what is held.
    [InlineData(0, 4000)]
    public async Task Capture_SentBy20AtOnce_TakesTheCostOnceAndGivesTheRestBack(long cost, long balance)
    {
        var hold = Hold();
        await OneAsync(hold);
        var capture = new HoldItem(HoldOperation.Capture, _account, hold.Id, Amount: cost);
        var results = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => OneAsync(capture)));
        Assert.All(results, result => Assert.True(
            result.Outcome is HoldOutcome.Captured && result.Amount == Math.Min(cost, 100), $"{result}"));
        Assert.Equal((balance, 0), await BooksAsync());
        Assert.Equal(balance, await servers.Accounts.GetBalanceAsync(_account, Cancellation));
        await servers.AssertBooksBalanceAsync(_account, balance);
    }

    [Fact]
    public async Task Hold_ThatComesAfterItsCapture_ReopensNothing()
    {
        var hold = Hold();
        await OneAsync(hold);
        await OneAsync(new HoldItem(HoldOperation.Capture, _account, hold.Id, Amount: 60));
        Assert.Equal(new HoldResult(HoldOutcome.Captured, 60, 3940, 0), await OneAsync(hold));
        Assert.Equal(HoldOutcome.Conflict, (await OneAsync(hold with { Hash = new byte[32] })).Outcome);
    }

    [Fact]
    public async Task Release_ByAnother_LeavesTheHoldAndByItsHolderEndsIt()
    {
        var hold = Hold();
        await OneAsync(hold);
        var release = new HoldItem(HoldOperation.Release, _account, hold.Id, hold.Holder);
        Assert.Equal(HoldOutcome.InProgress, (await OneAsync(release with { Holder = Guid.NewGuid() })).Outcome);
        Assert.Equal((4000, 100), await BooksAsync());
        Assert.Equal(new HoldResult(HoldOutcome.Released, 0, 4000, 0), await OneAsync(release));
        Assert.Equal(HoldOutcome.Released, (await OneAsync(release)).Outcome);
        Assert.Equal(
            HoldOutcome.UnknownHold,
            (await OneAsync(new HoldItem(HoldOperation.Capture, _account, hold.Id, Amount: 1))).Outcome);
    }

    [Fact]
    public async Task Account_Closed_RefusesHoldsAndLetsCapturesPass()
    {
        var (taken, given, late) = (Hold(), Hold(), Hold());
        await servers.Ledger.CarryOutAsync([taken, given], Cancellation);
        await servers.Accounts.CloseAsync(_account, Cancellation);
        var results = await servers.Ledger.CarryOutAsync(
            [
                late,
                new HoldItem(HoldOperation.Capture, _account, taken.Id, Amount: 100),
                new HoldItem(HoldOperation.Release, _account, given.Id, given.Holder),
            ],
            Cancellation);
        Assert.Equal(
            [HoldOutcome.AccountClosed, HoldOutcome.Captured, HoldOutcome.Released],
            results.Select(result => result.Outcome));
        Assert.Equal((3900, 0), await BooksAsync());
    }

    [Fact]
    public async Task Deduction_OfWhatIsHeld_IsRefused()
    {
        await OneAsync(Hold() with { Amount = 3950 });
        var deduction = new TransferRequest(Guid.NewGuid(), _account, 51, TransferKind.Deduction);
        var refused = await servers.Ledger.MoveAsync(deduction, Cancellation);
        Assert.Equal(HoldOutcome.TokensHeld, refused.Status);
        var taken = await servers.Ledger.MoveAsync(deduction with { Amount = 50 }, Cancellation);
        Assert.Equal((HoldOutcome.Created, 0), (taken.Status, taken.Tokens));
    }

    [Fact]
    public async Task Batch_WithAnItemThatFails_IsDoneItemByItem()
    {
        var (good, bad) = (Hold(), Hold());
        await servers.Ledger.CarryOutAsync([good, bad], Cancellation);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE holds SET renewed_at = now() WHERE id = '{bad.Id}'"); // Locks it.
        var results = await servers.Ledger.CarryOutAsync(
            [
                new HoldItem(HoldOperation.Capture, _account, bad.Id, Amount: 100),
                new HoldItem(HoldOperation.Capture, _account, good.Id, Amount: 100),
            ],
            Cancellation);
        Assert.Equal([HoldOutcome.Failed, HoldOutcome.Captured], results.Select(result => result.Outcome));
        Assert.Equal((3900, 100), await BooksAsync());
    }

    [Fact]
    public async Task Batch_WhoseAccountIsLocked_FailsSoonAndWritesNothing()
    {
        await OneAsync(Hold());
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {_account}");
        Assert.Equal(HoldOutcome.Failed, (await OneAsync(Hold())).Outcome);
        await transaction.RollbackAsync(Cancellation);
        Assert.Equal((4000, 100), await BooksAsync());
    }

    /// <summary>The caller sends them once more, with a later batch.</summary>
    [Fact]
    public async Task Batch_WithALockedAccount_DoesTheOthersAtOnceInOneCommitAndFailsItsItemsSoon()
    {
        long[] others = [ServersFixture.NewAccount(), ServersFixture.NewAccount(), ServersFixture.NewAccount()];
        List<HoldItem> holds =
        [
            .. Enumerable.Range(0, 20).Select(_ => Hold() with { Amount = 1 }),
            .. others.Select(account => Hold() with { Account = account }),
        ];
        await servers.Ledger.CarryOutAsync(holds, Cancellation);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {_account}");

        var results = await servers.Ledger.CarryOutAsync(
            holds.ConvertAll(hold => hold with { Operation = HoldOperation.Capture }), Cancellation);
        const string Commits = "SELECT count(DISTINCT xmin::text) FROM transfers WHERE account = ANY ($1) AND kind = 2";
        Assert.Equal(1, await NumberAsync(Commits, others));
        Assert.All(results.Take(20), result => Assert.Equal(HoldOutcome.Failed, result.Outcome));
        Assert.All(results.Skip(20), result => Assert.Equal(HoldOutcome.Captured, result.Outcome));
        await transaction.RollbackAsync(Cancellation);
        Assert.Equal((4000, 20), await BooksAsync());
    }

    [Fact]
    public async Task Renewal_LocksNoAccountAndNamesWhatIsGone()
    {
        var (open, others, released) = (Hold(), Hold(), Hold());
        await servers.Ledger.CarryOutAsync([open, others, released], Cancellation);
        await OneAsync(new HoldItem(HoldOperation.Release, _account, released.Id, released.Holder));
        await using var old = servers.Database.CreateCommand(
            $"UPDATE holds SET renewed_at = now() - interval '1 hour' WHERE account_id = {_account}");
        await old.ExecuteNonQueryAsync(Cancellation);

        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"UPDATE accounts SET balance = balance WHERE id = {_account}");
        var gone = await servers.Holds.RenewAsync(
            [
                new HeldBy(_account, open.Id, open.Holder), new HeldBy(_account, others.Id, Guid.NewGuid()),
                new HeldBy(_account, released.Id, released.Holder),
            ],
            Cancellation);
        Assert.Equal(new[] { others.Id, released.Id }.Order(), gone.Select(hold => hold.Id).Order());
        var late = await servers.Holds.OpenAsync(_account, TimeSpan.FromMinutes(30), new(0, default), 10, Cancellation);
        Assert.Equal(others.Id, Assert.Single(late).Id);
        var all = await servers.Holds.OpenAsync(_account, TimeSpan.Zero, new(0, default), 10, Cancellation);
        Assert.Equal(2, all.Count);
    }

    /// <summary>One that is being settled is neither renewed nor gone.</summary>
    [Fact]
    public async Task Renewal_OfAHoldThatIsBeingSettled_WaitsForNobody()
    {
        var hold = Hold();
        await OneAsync(hold);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"DELETE FROM holds WHERE account_id = {_account}");
        Assert.Empty(await servers.Holds.RenewAsync([new HeldBy(_account, hold.Id, hold.Holder)], Cancellation));
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task<long> NumberAsync(string sql, long[] accounts)
    {
        await using var command = servers.Database.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = accounts });
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private HoldItem Hold() => new(HoldOperation.Hold, _account, Guid.NewGuid(), Guid.NewGuid(), 100, Hash);

    private async Task<HoldResult> OneAsync(HoldItem item) =>
        Assert.Single(await servers.Ledger.CarryOutAsync([item], Cancellation));

    private async Task<(long Balance, long Held)> BooksAsync() => (
        await servers.NumberAsync("SELECT balance FROM accounts WHERE id = $1", _account),
        await servers.NumberAsync("SELECT held FROM accounts WHERE id = $1", _account));
}
