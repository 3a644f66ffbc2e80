using System.Diagnostics;
using Ledger.Service.Transfers;
using Ledger.Service.Verification;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>
/// What is altered by hand is named. On a database of each test's own, since the others' books must not be harmed.
/// </summary>
public sealed class VerificationTests(ServersFixture servers)
{
    private const long Account = 7;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Verify_OfBooksThatAreRight_FindsNothing()
    {
        await using var books = await NewBooksAsync();
        Assert.Empty(await VerifyAsync(books.Database));
    }

    [Theory]
    [InlineData("UPDATE accounts SET balance = balance + 1 WHERE id = 7", "account 7", "its balance is")]
    [InlineData("UPDATE accounts SET version = version + 1 WHERE id = 7", "account 7", "its version is")]
    [InlineData("UPDATE accounts SET held = 5 WHERE id = 7", "account 7", "5 are held, its open holds add up to 70")]
    [InlineData("DELETE FROM accounts WHERE id = 7", "account 7", "no row")]
    [InlineData(
        "INSERT INTO accounts (id, balance, held, version, revision) VALUES (8, 50, 0, 0, 0)",
        "account 8", "its balance is 50")]
    [InlineData("DELETE FROM holds", "account 7", "70 are held, its open holds add up to 0")]
    [InlineData("UPDATE transfers SET amount = amount + 1 WHERE version = 2", "transfer", "the balance after it is")]
    [InlineData("UPDATE transfers SET balance_after = 1 WHERE version = 2", "transfer", "it must be 3900")]
    [InlineData("DELETE FROM transfers WHERE version = 2", "transfer", "2 is missing")]
    [InlineData("UPDATE key_spending SET total = 300", "key 5 of account 7", "spent 300, transfers and holds add up")]
    [InlineData("UPDATE key_spending SET today = 1", "key 5 of account 7", "1 on its day, transfers and holds say 210")]
    [InlineData(
        "UPDATE key_spending SET this_month = 211, total = 211", "key 5 of account 7", "spent 211, transfers and")]
    [InlineData(
        "UPDATE key_spending SET today = 0, this_month = 1", "key 5 of account 7", "0 on its day, transfers and holds")]
    [InlineData("UPDATE accounts SET this_month = 1", "account 7", "1 in its month, transfers and holds say 310")]
    [InlineData("DELETE FROM key_spending", "key 5 of account 7", "it has spent 210 tokens and has no row")]
    [InlineData("UPDATE transfers SET key_id = 6 WHERE kind = 2", "key 6 of account 7", "has no row")]
    public async Task Verify_AfterAnAlteration_NamesTheRow(string alteration, string row, string problem)
    {
        await using var books = await NewBooksAsync();
        await books.ExecuteAsync($"""
            ALTER TABLE transfers DISABLE TRIGGER transfers_append_only;
            {alteration};
            """);
        var drifts = await VerifyAsync(books.Database);
        Assert.Contains(drifts, drift => drift.Row.StartsWith(row, StringComparison.Ordinal)
            && drift.Problem.Contains(problem, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cache_WithAValueThatTheLedgerHasNotWritten_IsNamed()
    {
        var (forged, foreign) = (ServersFixture.NewAccount(), ServersFixture.NewAccount());
        var value = await servers.HeldBalanceAsync(forged);
        var redis = servers.Redis.GetDatabase();
        await redis.StringSetAsync($"balance:{forged}", value.Replace(":4000:", ":9999:", StringComparison.Ordinal));
        await redis.StringSetAsync($"balance:{foreign}", value);

        var named = new List<string>();
        await foreach (var drift in servers.Verifier.VerifyCacheAsync(Cancellation))
        {
            named.Add(drift.Row);
        }

        Assert.Contains($"cache balance:{forged}", named);
        Assert.Contains($"cache balance:{foreign}", named);
        await redis.KeyDeleteAsync([$"balance:{forged}", $"balance:{foreign}"]);
    }

    [Theory]
    [InlineData("", 0, "0 rows are off")]
    [InlineData("UPDATE accounts SET balance = 77 WHERE id = 7", 1, "account 7: its balance is 77")]
    public async Task Command_AsAProcess_SaysWhatIsOffAndExits(string alteration, int exitCode, string says)
    {
        await using var books = await NewBooksAsync();
        if (alteration.Length > 0)
        {
            await books.ExecuteAsync(alteration);
        }

        var (code, output) = await RunAsync(("ConnectionStrings__ledgerdb", books.ConnectionString));
        Assert.True(exitCode == code, output);
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_WithoutADatabase_SaysSoAndExitsWith2()
    {
        var (code, output) = await RunAsync();
        Assert.True(code == 2, output);
        Assert.Contains("The books cannot be read", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    private static async Task<List<Drift>> VerifyAsync(NpgsqlDataSource database)
    {
        var verifier = ServersFixture.NewVerifier(database);
        var drifts = new List<Drift>();
        await foreach (var drift in verifier.VerifyBooksAsync(accounts: null, report: null, Cancellation))
        {
            drifts.Add(drift);
        }

        return drifts;
    }

    /// <summary>
    /// An opening, a deduction, another with an API key, a charge of 40 with it from a hold of 100, and an open hold.
    /// </summary>
    private async Task<OwnDatabase> NewBooksAsync()
    {
        var books = await OwnDatabase.CreateAsync(servers.ConnectionString);
        var cache = ServersFixture.NewCache(redis: null);
        var ledger = ServersFixture.NewLedger(books.Database, cache, clock: Clock.Today);
        var key = new UsedApiKey(5, 1000, null);
        var deduction = new TransferRequest(Guid.NewGuid(), Account, 100, TransferKind.Deduction);
        await ledger.MoveAsync(deduction, Cancellation);
        await ledger.MoveAsync(
            deduction with { Id = Guid.NewGuid(), Key = key }, Cancellation);
        var hold = new HoldItem(HoldOperation.Hold, Account, Guid.NewGuid(), Guid.Empty, 100, new byte[32], key);
        await ledger.CarryOutAsync(
            [
                hold, hold with { Operation = HoldOperation.Capture, Amount = 40 },
                hold with { Id = Guid.NewGuid(), Amount = 70 },
            ],
            Cancellation);
        return books;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(LedgerVerifier).Assembly.Location, "verify"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["Ledger__CacheKey"] = ServersFixture.Settings.CacheKey;
        start.Environment["ConnectionStrings__cache"] = "localhost:1"; // Nobody listens there.
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(Cancellation);
        var error = process.StandardError.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return (process.ExitCode, await output + await error);
    }
}
