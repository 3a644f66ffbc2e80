using System.Globalization;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>What an API key may spend, in total and in a day, holds whatever runs at the same time.</summary>
public sealed class KeySpendingTests(ServersFixture servers)
{
    private static readonly DateOnly Monday = new(2026, 1, 5);
    private static readonly DateOnly Tuesday = new(2026, 1, 6);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private readonly long _account = ServersFixture.NewAccount();

    /// <summary>A key with its limits, on a day.</summary>
    private sealed record KeyUse(
        long Id, long? Limit, long? DailyLimit, DateOnly Day, long? MonthlyLimit = null)
    {
        public UsedApiKey Key => new(Id, Limit, DailyLimit, MonthlyLimit);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Deductions_50AtOnceWithAKeyFor10_Exactly10AreWritten()
    {
        var key = new KeyUse(1, Limit: 1000, DailyLimit: null, Monday);
        var outcomes = await DeductAsync(50, key);
        Assert.Equal(10, outcomes.Count(outcome => outcome.Status is HoldOutcome.Created));
        Assert.Equal(40, outcomes.Count(outcome => outcome.Status is HoldOutcome.KeyLimitReached));
        await AssertSpentAsync(1, total: 1000, today: 1000);
        await servers.AssertBooksBalanceAsync(_account, 3000);
    }

    [Fact]
    public async Task Deductions_AtOnceWithADailyLimit_AreHeldToItEachDay()
    {
        var monday = new KeyUse(1, Limit: null, DailyLimit: 300, Monday);
        Assert.Equal(3, (await DeductAsync(20, monday)).Count(each => each.Status is HoldOutcome.Created));
        await AssertSpentAsync(1, total: 300, today: 300);

        var tuesday = monday with { Day = Tuesday };
        Assert.Equal(3, (await DeductAsync(20, tuesday)).Count(each => each.Status is HoldOutcome.Created));
        await AssertSpentAsync(1, total: 600, today: 300);
    }

    [Theory]
    [InlineData(500, 300, 300, 200)] // The total is reached on the second day.
    [InlineData(1000, 300, 300, 300)]
    [InlineData(200, 300, 200, 0)]
    [InlineData(0, null, 0, 0)]
    [InlineData(null, 0, 0, 0)]
    [InlineData(99, null, 0, 0)] // Less than one deduction, and the key's first.
    [InlineData(null, null, 500, 500)]
    public async Task Deductions_WithBothLimits_AreHeldToTheNearer(int? limit, int? daily, long monday, long tuesday)
    {
        var key = new KeyUse(1, limit, daily, Monday);
        await DeductAsync(5, key);
        await servers.AssertBooksBalanceAsync(_account, 4000 - monday);
        await DeductAsync(5, key with { Day = Tuesday });
        await servers.AssertBooksBalanceAsync(_account, 4000 - monday - tuesday);
    }

    [Fact]
    public async Task Deduction_ThatTheLimitRefuses_LeavesNoTrace()
    {
        await servers.Accounts.OpenAsync(_account, Cancellation);
        Assert.Equal(
            HoldOutcome.KeyLimitReached,
            Assert.Single(await DeductAsync(1, new KeyUse(1, 99, null, Monday))).Status);
        Assert.Equal(0, await servers.NumberAsync(
            "SELECT count(*) FROM key_spending WHERE account = $1", _account));
        await servers.AssertBooksBalanceAsync(_account, 4000);
    }

    [Fact]
    public async Task Deduction_ThatTheBalanceRefuses_IsNotCountedForTheKey()
    {
        await DeductAsync(1, new KeyUse(1, null, null, Monday));
        var refused = await servers.LedgerOn(Clock.On(Monday)).MoveAsync(
            Deduction(new UsedApiKey(1, null, null), 5000), Cancellation);
        Assert.Equal(HoldOutcome.InsufficientTokens, refused.Status);
        await AssertSpentAsync(1, total: 100, today: 100);
    }

    [Fact]
    public async Task Deduction_SentAgainAtOnceAndLater_CountsOnce()
    {
        var deduction = Deduction(new UsedApiKey(1, Limit: 150, DailyLimit: 150));
        var outcomes = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => servers.Ledger.MoveAsync(deduction, Cancellation)))
            .WaitAsync(Timeout, Cancellation);
        Assert.Single(outcomes, outcome => outcome.Status is HoldOutcome.Created);
        Assert.Equal(19, outcomes.Count(outcome => outcome.Status is HoldOutcome.Exists));
        // With another key, or none, it is the same request.
        foreach (var key in new[] { new UsedApiKey(2, 0, 0), null })
        {
            var again = await servers.Ledger.MoveAsync(deduction with { Key = key }, Cancellation);
            Assert.Equal(HoldOutcome.Exists, again.Status);
        }

        await AssertSpentAsync(1, total: 100, today: 100);
    }

    [Fact]
    public async Task Release_OfToday_GivesTheKeyItsCreditsBackOnce()
    {
        var key = new UsedApiKey(1, Limit: 100, DailyLimit: 100);
        var hold = await HoldAsync(Monday, key);
        await AssertSpentAsync(1, total: 100, today: 100);
        Assert.Equal(
            HoldOutcome.KeyLimitReached,
            Assert.Single(await DeductAsync(1, new KeyUse(1, 100, 100, Monday))).Status);
        var release = hold with { Operation = HoldOperation.Release };
        await Task.WhenAll(
            Enumerable.Range(0, 12).Select(_ => servers.Ledger.CarryOutAsync([release], Cancellation)))
            .WaitAsync(Timeout, Cancellation);
        await AssertSpentAsync(1, total: 0, today: 0);
        Assert.Equal(
            HoldOutcome.Created, Assert.Single(await DeductAsync(1, new KeyUse(1, 100, 100, Monday))).Status);
    }

    [Fact]
    public async Task Capture_OfYesterdaysHold_LeavesTodayAsItIs()
    {
        var key = new UsedApiKey(1, Limit: null, DailyLimit: 200);
        var (captured, released) = (await HoldAsync(Monday, key), await HoldAsync(Monday, key));
        await DeductAsync(1, new KeyUse(1, null, 100, Tuesday));
        await AssertSpentAsync(1, total: 300, today: 100);
        await servers.Ledger.CarryOutAsync(
            [captured with { Operation = HoldOperation.Capture, Amount = 60 }], Cancellation);
        await AssertSpentAsync(1, total: 260, today: 100);
        await servers.Ledger.CarryOutAsync([released with { Operation = HoldOperation.Release }], Cancellation);
        await AssertSpentAsync(1, total: 160, today: 100);
        Assert.Equal(1, await servers.NumberAsync(
            "SELECT count(*) FROM transfers WHERE account = $1 AND kind = 2 AND key_id = 1", _account));
    }

    [Theory]
    [InlineData("2026-01-05T23:59:59.999Z", "2026-01-05")]
    [InlineData("2026-01-06T00:00:00Z", "2026-01-06")]
    [InlineData("2026-01-06T00:30:00+01:00", "2026-01-05")] // The day is UTC's, wherever the machine is.
    public void Day_OfAUse_IsThatOfUtc(string now, string expected) => Assert.Equal(
        DateOnly.Parse(expected, CultureInfo.InvariantCulture),
        new Clock(DateTimeOffset.Parse(now, CultureInfo.InvariantCulture)).UtcDay());

    [Fact]
    public async Task Deduction_OfASlowClock_CountsForTheKeysDay()
    {
        await DeductAsync(1, new KeyUse(1, null, 200, Tuesday));
        await DeductAsync(3, new KeyUse(1, null, 200, Monday));
        await AssertSpentAsync(1, total: 200, today: 200);
    }

    [Fact]
    public async Task DeductionsAndHolds_OfTwoKeysAtOnce_AddUpAndNeverDeadlock()
    {
        const string Deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        var before = await servers.NumberAsync(Deadlocks);
        for (var round = 0; round < 10; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 12).SelectMany(n =>
            {
                var day = n < 6 ? Monday : Tuesday;
                var key = n % 3 == 0 ? null : new UsedApiKey(n % 3, null, 10_000);
                var (deduction, ledger) = (Deduction(key, 1), servers.LedgerOn(Clock.On(day)));
                var hold = Hold(key);
                return new Task[]
                {
                    ledger.MoveAsync(deduction, Cancellation),
                    ledger.MoveAsync(deduction, Cancellation),
                    ledger.CarryOutAsync(
                        [hold, hold with { Operation = HoldOperation.Capture, Amount = 2 }], Cancellation),
                    servers.Ledger.CarryOutAsync([hold with { Operation = HoldOperation.Release }], Cancellation),
                };
            })).WaitAsync(Timeout, Cancellation);
        }

        Assert.Equal(before, await servers.NumberAsync(Deadlocks));
        await servers.AssertBooksBalanceAsync(_account, 4000 - (10 * 12 * 3));
        await AssertVerifiedAsync();
    }

    /// <summary>
    /// All have seen the key, with room for one of them, before any can write: each must look again in its turn.
    /// </summary>
    [Fact]
    public async Task Deductions_ThatSawTheSameRoom_AreNotAllWritten()
    {
        var key = new KeyUse(1, Limit: 200, DailyLimit: null, Monday);
        await DeductAsync(1, key);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"SELECT FROM accounts WHERE id = {_account} FOR UPDATE");
        var deductions = DeductAsync(5, key);
        await servers.BlockedByAsync(holder, count: 5);
        await transaction.CommitAsync(Cancellation);
        Assert.Single(await deductions, outcome => outcome.Status is HoldOutcome.Created);
        await AssertSpentAsync(1, total: 200, today: 200);
    }

    [Fact]
    public async Task Deduction_WhileItsKeyIsLocked_WaitsWithItsAccountLockedAndOthersDoNot()
    {
        var deduction = Deduction(new UsedApiKey(1, null, null));
        await servers.Ledger.MoveAsync(deduction with { Id = Guid.NewGuid() }, Cancellation);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await ExecuteAsync(holder, $"SELECT FROM key_spending WHERE account = {_account} FOR UPDATE");
        var waiting = servers.Ledger.MoveAsync(deduction, Cancellation);
        await servers.BlockedByAsync(holder, count: 1);

        var sameAccount = servers.Ledger.MoveAsync(Deduction(null), Cancellation);
        await servers.BlockedByAsync(holder, count: 2);
        var other = await servers.Ledger.MoveAsync(
            deduction with { Account = ServersFixture.NewAccount(), Key = null }, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        Assert.Equal(HoldOutcome.Created, other.Status);

        await transaction.CommitAsync(Cancellation);
        Assert.Equal(HoldOutcome.Created, (await waiting.WaitAsync(Timeout, Cancellation)).Status);
        Assert.Equal(HoldOutcome.Created, (await sameAccount.WaitAsync(Timeout, Cancellation)).Status);
        await AssertSpentAsync(1, total: 200, today: 200);
    }

    [Theory]
    [InlineData("UPDATE key_spending SET total = -1", "ck_key_spending_today")]
    [InlineData("UPDATE key_spending SET today = -1", "ck_key_spending_today")]
    [InlineData("UPDATE key_spending SET today = total + 1", "ck_key_spending_today")]
    [InlineData("UPDATE key_spending SET this_month = total + 1", "ck_key_spending_today")]
    [InlineData("UPDATE key_spending SET this_month = today - 1", "ck_key_spending_today")]
    [InlineData(
        """
        INSERT INTO transfers (account, id, version, kind, amount, request_hash, balance_after, held_after, key_id)
        VALUES (1, gen_random_uuid(), 1000, 2, -1, '', 0, 0, 1)
        """, // It counts for no day.
        "ck_transfers_spent")]
    public async Task Row_ThatCannotBe_IsRefused(string sql, string constraint)
    {
        await DeductAsync(1, new KeyUse(1, null, null, Monday));
        await using var command = servers.Database.CreateCommand(
            sql.StartsWith("UPDATE", StringComparison.Ordinal) ? $"{sql} WHERE account = {_account}" : sql);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Equal(constraint, refused.ConstraintName);
    }

    private TransferRequest Deduction(UsedApiKey? key, long amount = 100) =>
        new(Guid.NewGuid(), _account, amount, TransferKind.Deduction, Key: key);

    private HoldItem Hold(UsedApiKey? key) =>
        new(HoldOperation.Hold, _account, Guid.NewGuid(), Guid.NewGuid(), 100, new byte[32], key);

    private async Task<HoldItem> HoldAsync(DateOnly day, UsedApiKey key)
    {
        var hold = Hold(key);
        var held = await servers.LedgerOn(Clock.On(day)).CarryOutAsync([hold], Cancellation);
        Assert.Equal(HoldOutcome.Held, Assert.Single(held).Outcome);
        return hold;
    }

    private Task<Outcome[]> DeductAsync(int count, KeyUse key) => Task.WhenAll(
        Enumerable.Range(0, count).Select(_ =>
            servers.LedgerOn(Clock.On(key.Day)).MoveAsync(Deduction(key.Key), Cancellation)))
        .WaitAsync(Timeout, Cancellation);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private async Task AssertSpentAsync(long key, long total, long today)
    {
        const string Of = "FROM key_spending WHERE account = $1 AND key_id = $2";
        Assert.Equal(
            (total, today),
            (await servers.NumberAsync($"SELECT total {Of}", _account, key),
                await servers.NumberAsync($"SELECT today {Of}", _account, key)));
        await AssertVerifiedAsync();
    }

    private async Task AssertVerifiedAsync()
    {
        await foreach (var drift in servers.Verifier.VerifyBooksAsync(accounts: null, report: null, Cancellation))
        {
            Assert.False(drift.Row.EndsWith($"account {_account}", StringComparison.Ordinal), $"{drift}");
        }
    }
}
