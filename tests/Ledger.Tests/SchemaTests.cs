using Ledger.Service;
using Ledger.Service.Transfers;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
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
        await servers.Accounts.GetBalanceAsync(ServersFixture.NewAccount(), Cancellation);
        await using var command = servers.Database.CreateCommand(sql);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Contains("append-only", refused.MessageText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Balance_BelowZero_IsRefused()
    {
        var account = ServersFixture.NewAccount();
        await servers.Accounts.GetBalanceAsync(account, Cancellation);
        await using var command = servers.Database.CreateCommand(
            $"UPDATE accounts SET balance = -1 WHERE id = {account}");
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Equal("ck_accounts_balance", refused.ConstraintName);
    }

    [Theory]
    [InlineData("2, 100, 1, 0")] // A charge that gives.
    [InlineData("3, 100, 1, 0")]
    [InlineData("1, -100, 1, 0")] // An opening that takes.
    [InlineData("4, 0, 1, 0")] // A credit of nothing.
    [InlineData("9, 100, 1, 0")]
    [InlineData("4, 100, 0, 0", "ck_transfers_account")] // Not numbered.
    [InlineData("4, 100, 1, 101", "ck_transfers_after")] // More is held than there is.
    public async Task Transfer_ThatIsNone_IsRefused(string values, string constraint = "ck_transfers_kind")
    {
        await using var command = servers.Database.CreateCommand($"""
            INSERT INTO transfers (account, id, request_hash, balance_after, kind, amount, version, held_after)
            VALUES (1, gen_random_uuid(), '', 100, {values})
            """);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancellation));
        Assert.Equal(constraint, refused.ConstraintName);
    }

    /// <summary>Ledgers can be split by account, so no key may reach over accounts.</summary>
    [Fact]
    public async Task UniqueIndexes_OfAllTables_HaveTheAccount()
    {
        await using var books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        Assert.Empty(await IndexesWithoutTheAccountAsync(books));

        await books.ExecuteAsync("CREATE UNIQUE INDEX bad_id ON holds (id); CREATE TABLE bad (id bigint)");
        Assert.Equal(["bad: no primary key", "bad_id"], await IndexesWithoutTheAccountAsync(books));
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
            for (var deduction = 0; deduction < 20; deduction++)
            {
                await ledger.MoveAsync(
                    new TransferRequest(Guid.NewGuid(), account, 1, TransferKind.Deduction), Cancellation);
            }
        }

        await books.ExecuteAsync("SELECT pg_stat_force_next_flush()");
        await using var statistics = books.Database.CreateCommand(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'accounts'");
        await using var row = await statistics.ExecuteReaderAsync(Cancellation);
        Assert.True(await row.ReadAsync(Cancellation));
        Assert.Equal(row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>A process that hangs in a transaction must not keep its locks.</summary>
    [Fact]
    public async Task Connections_OfTheService_EndIdleTransactions()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration["ConnectionStrings:ledgerdb"] = servers.ConnectionString;
        builder.AddServiceDatabase<LedgerDb>("ledgerdb");
        await using var app = builder.Build();
        await using var scope = app.Services.CreateAsyncScope();
        await using var command = app.Services.GetRequiredService<NpgsqlDataSource>()
            .CreateCommand("SHOW idle_in_transaction_session_timeout");
        Assert.Equal("5s", await command.ExecuteScalarAsync(Cancellation));
        var pooled = scope.ServiceProvider.GetRequiredService<LedgerDb>().Database;
        Assert.Contains("_session_timeout=5s", pooled.GetConnectionString(), StringComparison.Ordinal);
    }

    private static Task<List<string>> IndexesWithoutTheAccountAsync(OwnDatabase books) => AccountKeys.MissingAsync(
        books.Database, "account", ("accounts", "id"), ("holds", "account_id"));
}
