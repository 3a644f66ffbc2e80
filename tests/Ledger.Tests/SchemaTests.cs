using Ledger.Service.Transfers;
using Ledger.Service.Verification;
using Npgsql;

namespace Ledger.Tests;

/// <summary>The schema's last words: what no statement may do, and how it grows.</summary>
public sealed class SchemaTests(ServersFixture servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("UPDATE transfers SET amount = amount + 1")]
    [InlineData("DELETE FROM transfers")]
    [InlineData("TRUNCATE transfers")]
    public async Task Transfers_ChangedByAnyone_AreRefused(string sql)
    {
        await servers.Ledger.GetBalanceAsync(ServersFixture.NewAccount(), Cancellation);
        await using var command = servers.Database.CreateCommand(sql);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Contains("append-only", refused.MessageText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Balance_BelowZero_IsRefused()
    {
        var account = ServersFixture.NewAccount();
        await servers.Ledger.GetBalanceAsync(account, Cancellation);
        await using var command = servers.Database.CreateCommand(
            $"UPDATE accounts SET balance = -1 WHERE id = {account}");
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Equal("ck_accounts_balance", refused.ConstraintName);
    }

    [Theory]
    [InlineData("charge", "2, 5, 100, -2, 'NULL'")]
    [InlineData("a charge that gives", "2, -2, 100, 5, 'NULL'")]
    [InlineData("a credit of nothing", "6, -1, 0, 5, 'NULL'")]
    [InlineData("a refund of more than is left", "3, -2, 100, 5, '99'")]
    [InlineData("a kind that is none", "9, -1, 100, 5, 'NULL'")]
    public async Task Transfer_ThatIsNone_IsRefused(string what, string values)
    {
        var parts = values.Split(", ").Select(value => value.Trim('\'')).ToArray();
        var version = what == "charge" ? "NULL" : "1"; // A charge that is not numbered.
        await using var command = servers.Database.CreateCommand($"""
            INSERT INTO transfers (id, kind, debit_account, amount, credit_account, refundable, charge_id,
                request_hash, balance_after, version)
            VALUES (gen_random_uuid(), {parts[0]}, {parts[1]}, {parts[2]}, {parts[3]}, {parts[4]}, gen_random_uuid(),
                '', 0, {version})
            """);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Equal("ck_transfers_kind", refused.ConstraintName);
    }

    [Fact]
    public void Schema_AndMigrations_Agree()
    {
        using var db = ServersFixture.NewContext(servers.Database.ConnectionString);
        Assert.False(
            Microsoft.EntityFrameworkCore.RelationalDatabaseFacadeExtensions.HasPendingModelChanges(db.Database));
    }

    [Fact]
    public async Task Accounts_Updated_TouchNoIndex()
    {
        await using var books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        var ledger = ServersFixture.NewLedger(books.Database, ServersFixture.NewCache(redis: null));
        foreach (var account in Enumerable.Range(1, 20))
        {
            for (var charge = 0; charge < 20; charge++)
            {
                await ledger.DebitAsync(
                    new TransferRequest(Guid.NewGuid(), account, 1, TransferKind.Charge), Cancellation);
            }
        }

        await books.ExecuteAsync("SELECT pg_stat_force_next_flush()");
        await using var statistics = books.Database.CreateCommand(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'accounts'");
        await using var row = await statistics.ExecuteReaderAsync(Cancellation);
        Assert.True(await row.ReadAsync(Cancellation));
        Assert.Equal(row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>
    /// Transfers of the first schema were not numbered. Those of one account may have been begun in another order than
    /// they were written in.
    /// </summary>
    [Fact]
    public async Task Transfers_OfTheFirstSchema_AreNumberedInTheOrderOfTheirBalances()
    {
        await using var books = await OwnDatabase.CreateAsync(servers.ConnectionString, "Initial");
        await books.ExecuteAsync("""
            INSERT INTO accounts (id, balance, version) VALUES (1, 3930, 4), (2, 0, 1);
            INSERT INTO transfers (id, debit_account, credit_account, amount, kind, request_hash, balance_after,
                created_at, charge_id)
            VALUES
                ('00000000-0000-0000-0000-000000000001', -1, 1, 4000, 1, '', 4000, '2026-01-01', NULL),
                ('00000000-0000-0000-0000-000000000003', 1, -2, 70, 2, '', 3830, '2026-01-02', NULL),
                ('00000000-0000-0000-0000-000000000002', 1, -2, 100, 2, '', 3900, '2026-01-03', NULL),
                ('00000000-0000-0000-0000-000000000004', -2, 1, 100, 3, '', 3930, '2026-01-04',
                    '00000000-0000-0000-0000-000000000002'),
                ('00000000-0000-0000-0000-000000000005', -1, -2, 0, 5, '', 0, '2026-01-05', NULL);
            """);
        await books.MigrateAsync();

        await using var command = books.Database.CreateCommand(
            "SELECT string_agg(right(id::text, 1), '' ORDER BY version) FROM transfers WHERE account = 1");
        Assert.Equal("1234", await command.ExecuteScalarAsync(Cancellation));
        var verifier = new LedgerVerifier(
            books.Database, new LedgerReader(books.Database), ServersFixture.NewCache(redis: null));
        await foreach (var drift in verifier.VerifyBooksAsync(report: null, Cancellation))
        {
            Assert.Fail($"{drift}");
        }
    }
}
