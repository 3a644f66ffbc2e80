using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>A user's own account over HTTP: what is held cannot be spent, and the answers say so.</summary>
public sealed class TokensApiTests(ServersFixture servers) : IAsyncLifetime
{
    private readonly long _account = ServersFixture.NewAccount();
    private LedgerHost _host = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await LedgerHost.StartAsync(servers);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Account_SaysWhatIsHeldAndWhetherItIsClosed()
    {
        await HoldAsync(100);
        Assert.Equal(Account("false"), await AccountAsync());
        Assert.Equal("""{"tokens":3900}""", await _host.User(_account).GetStringAsync("/api/tokens", Cancellation));
        await servers.Accounts.CloseAsync(_account, Cancellation);
        Assert.Equal(Account("true"), await AccountAsync());
        var nobodys = await _host.Nobody().GetAsync("/api/tokens/account", Cancellation);
        Assert.Equal(HttpStatusCode.Unauthorized, nobodys.StatusCode);

        static string Account(string closed) =>
            $$"""{"tokens":3900,"balance":4000,"held":100,"closed":{{closed}},"""
            + "\"monthly_budget\":null,\"this_month\":100}";

        Task<string> AccountAsync() => _host.User(_account).GetStringAsync("/api/tokens/account", Cancellation);
    }

    [Theory]
    [InlineData(3950, 100, 50, HttpStatusCode.Conflict, "tokens_held")]
    [InlineData(3950, 4000, 50, HttpStatusCode.Conflict, "tokens_held")]
    [InlineData(3950, 4001, 50, HttpStatusCode.PaymentRequired, "insufficient_tokens")]
    [InlineData(0, 4001, 4000, HttpStatusCode.PaymentRequired, "insufficient_tokens")]
    public async Task Deduction_OfMoreThanCanBeSpent_SaysWhatIsNeededAvailableAndHeld(
        long held, long needed, long available, HttpStatusCode status, string code)
    {
        await HoldAsync(held);
        var answer = await _host.User(_account).PostAsJsonAsync(
            "/api/tokens/deduct", new { amount = needed }, Cancellation);
        Assert.Equal(status, answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal(code, problem.GetProperty("code").GetString());
        Assert.Equal(
            (needed, available, held),
            (problem.GetProperty("needed").GetInt64(), problem.GetProperty("available").GetInt64(),
                problem.GetProperty("held").GetInt64()));
        var sentence = problem.GetProperty("detail").GetString()!;
        Assert.Contains($"needs {needed}, {available} are available", sentence, StringComparison.Ordinal);
        Assert.Equal(held > 0, sentence.Contains($"{held} are held", StringComparison.Ordinal));
        await servers.AssertBooksBalanceAsync(_account, 4000);
    }

    [Theory]
    [InlineData("POST", "/api/tokens/deduct")]
    [InlineData("POST", "/api/tokens/credit")]
    [InlineData("POST", "/api/tokens/adjust")]
    [InlineData("POST", "/api/tokens/close")]
    [InlineData("POST", "/api/tokens/reopen")]
    [InlineData("PUT", "/api/tokens/budget")]
    public async Task Change_OfALockedAccount_IsToldToComeAgainAndWritesNothing(string method, string path)
    {
        await servers.Accounts.GetBalanceAsync(_account, Cancellation);
        await using var holder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await holder.BeginTransactionAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            $"SELECT FROM accounts WHERE id = {_account} FOR NO KEY UPDATE", holder);
        await command.ExecuteNonQueryAsync(Cancellation);
        using var caller = path.EndsWith("deduct", StringComparison.Ordinal)
            ? _host.User(_account) : _host.Admin(ServersFixture.NewAccount());
        using var request = new HttpRequestMessage(new(method), path)
        {
            Content = JsonContent.Create(new { amount = 1, user = _account, reason = "a gift", monthly_budget = 1 }),
        };
        var answer = await caller.SendAsync(request, Cancellation).WaitAsync(TimeSpan.FromSeconds(5), Cancellation);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("1", Assert.Single(answer.Headers.GetValues("Retry-After")));
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal("account_locked", problem.GetProperty("code").GetString());
        await transaction.RollbackAsync(Cancellation);
        await servers.AssertBooksBalanceAsync(_account, 4000);
        var account = (await servers.Accounts.FindAsync(_account, Cancellation))!;
        Assert.Null(account.ClosedAt);
        Assert.Null(account.MonthlyBudget);
    }

    private Task<IReadOnlyList<HoldResult>> HoldAsync(long amount) => servers.Ledger.CarryOutAsync(
        [new HoldItem(HoldOperation.Hold, _account, Guid.NewGuid(), Guid.Empty, amount, new byte[32])], Cancellation);
}
