using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Ledger.Tests;

/// <summary>What administrators do with accounts, and that it is written down first.</summary>
public sealed class AdminApiTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly MediaTypeHeaderValue JsonMedia = new("application/json");

    private readonly long _account = ServersFixture.NewAccount();
    private readonly long _adminId = ServersFixture.NewAccount();
    private StubIdentity _identity = null!;
    private LedgerHost _host = null!;
    private HttpClient _admin = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _identity = await StubIdentity.StartAsync();
        _host = await LedgerHost.StartAsync(servers, identity: _identity);
        _admin = _host.Admin(_adminId);
        _admin.DefaultRequestHeaders.Add("X-Forwarded-For", "203.0.113.7");
    }

    public async ValueTask DisposeAsync()
    {
        _admin.Dispose();
        await _host.DisposeAsync();
        await _identity.DisposeAsync();
    }

    [Fact]
    public async Task Adjustment_DownAndUp_ChangesTheBalanceAndCountsForNoBudget()
    {
        await servers.Accounts.SetBudgetAsync(_account, 100, Cancellation);
        await AdjustAsync(-500, HttpStatusCode.OK);
        await servers.AssertBooksBalanceAsync(_account, 3500);
        await AdjustAsync(20, HttpStatusCode.OK);
        await servers.AssertBooksBalanceAsync(_account, 3520);
        Assert.Equal(0, await servers.NumberAsync("SELECT this_month FROM accounts WHERE id = $1", _account));
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM limit_events WHERE account = $1", _account));

        using var user = _host.User(_account);
        var history = await user.GetFromJsonAsync<JsonElement>("/api/tokens/history", Cancellation);
        Assert.Equal(
            [("credit", 20), ("adjustment", -500), ("opening", 4000)],
            history.EnumerateArray().Select(
                entry => (entry.GetProperty("kind").GetString()!, entry.GetProperty("amount").GetInt32())));
        await foreach (var drift in servers.Verifier.VerifyBooksAsync([_account], report: null, Cancellation))
        {
            Assert.Fail($"{drift}");
        }
    }

    [Fact]
    public async Task Adjustment_OfMoreThanCanBeSpent_IsRefusedAndWritesNothing()
    {
        await servers.Ledger.CarryOutAsync(
            [new HoldItem(HoldOperation.Hold, _account, Guid.NewGuid(), Guid.NewGuid(), 1000, new byte[32])],
            Cancellation);
        Assert.Equal("tokens_held", await AdjustAsync(-3001, HttpStatusCode.Conflict));
        Assert.Equal("insufficient_tokens", await AdjustAsync(-4001, HttpStatusCode.Conflict));
        Assert.Equal("invalid_amount", await AdjustAsync(0, HttpStatusCode.BadRequest));
        await servers.AssertBooksBalanceAsync(_account, 4000);
        await AdjustAsync(-3000, HttpStatusCode.OK);
        await servers.AssertBooksBalanceAsync(_account, 1000);
    }

    [Fact]
    public async Task Adjustment_SentAgainWithItsKey_IsDoneOnce()
    {
        _admin.DefaultRequestHeaders.Add("Idempotency-Key", "mistake-7");
        await AdjustAsync(-100, HttpStatusCode.OK);
        await AdjustAsync(-100, HttpStatusCode.OK);
        Assert.Equal("exists_with_different_content", await AdjustAsync(-200, HttpStatusCode.Conflict));
        Assert.Equal("exists_with_different_content", await AdjustAsync(100, HttpStatusCode.Conflict));
        await servers.AssertBooksBalanceAsync(_account, 3900);
    }

    /// <summary>A budget that is set below what is spent has no events, whatever an administrator takes.</summary>
    [Fact]
    public async Task Adjustment_OfAnAccountBeyondItsBudget_WritesNoEvent()
    {
        var deduction = new TransferRequest(Guid.NewGuid(), _account, 900, TransferKind.Deduction);
        await servers.Ledger.MoveAsync(deduction, Cancellation);
        await servers.Accounts.SetBudgetAsync(_account, 500, Cancellation);
        await AdjustAsync(-1, HttpStatusCode.OK);
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM limit_events WHERE account = $1", _account));
    }

    [Fact]
    public async Task Account_ThatWasNeverOpened_IsOpenedByReopening()
    {
        await SendAsync("reopen", new { user = _account }, HttpStatusCode.OK);
        await servers.AssertBooksBalanceAsync(_account, 4000);
    }

    /// <summary>Identity.Service has known the user before the account was opened again, and not after.</summary>
    [Fact]
    public async Task Account_ThatIsReopenedWhileItsUserLeaves_IsClosed()
    {
        await SendAsync("close", new { user = _account }, HttpStatusCode.OK);
        await using var lockHolder = await servers.Database.OpenConnectionAsync(Cancellation);
        await using var transaction = await lockHolder.BeginTransactionAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            $"SELECT FROM accounts WHERE id = {_account} FOR NO KEY UPDATE", lockHolder);
        await command.ExecuteNonQueryAsync(Cancellation);
        var asked = ServersFixture.Identity.Asked.Count(user => user == _account);
        var reopening = SendAsync("reopen", new { user = _account }, HttpStatusCode.NotFound);
        while (ServersFixture.Identity.Asked.Count(user => user == _account) == asked)
        {
            await Task.Delay(5, Cancellation);
        }

        ServersFixture.Identity.Nobody[_account] = true;
        await transaction.RollbackAsync(Cancellation);
        Assert.Equal("unknown_account", await reopening);
        Assert.NotNull((await servers.Accounts.FindAsync(_account, Cancellation))!.ClosedAt);
    }

    [Theory]
    [InlineData("credit", """{"user":USER,"amount":0,"reason":"a gift"}""")]
    [InlineData("credit", """{"user":USER,"amount":1}""")]
    [InlineData("adjust", """{"user":USER,"amount":9007199254740992,"reason":"a gift"}""")]
    [InlineData("close", """{"user":0}""")]
    [InlineData("close", "null")]
    public async Task Request_ThatCannotBe_IsRefusedAndNotWrittenDown(string action, string body)
    {
        using var answer = await _admin.PostAsync(
            $"/api/tokens/{action}",
            new StringContent(body.Replace("USER", $"{_account}", StringComparison.Ordinal), JsonMedia),
            Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Empty(_identity.Audit);
    }

    [Fact]
    public async Task Account_ThatWasClosed_IsOpenedAgainWithWhatItHad()
    {
        await AdjustAsync(-100, HttpStatusCode.OK);
        await SendAsync("close", new { user = _account }, HttpStatusCode.OK);
        Assert.Equal("account_closed", await AdjustAsync(-100, HttpStatusCode.Conflict));
        await SendAsync("reopen", new { user = _account }, HttpStatusCode.OK);
        await SendAsync("reopen", new { user = _account }, HttpStatusCode.OK);
        await AdjustAsync(-100, HttpStatusCode.OK);
        await servers.AssertBooksBalanceAsync(_account, 3800);

        await SendAsync("close", new { user = _account }, HttpStatusCode.OK);
        ServersFixture.Identity.Nobody[_account] = true; // The user has left.
        Assert.Equal(
            "unknown_account", await SendAsync("reopen", new { user = _account }, HttpStatusCode.NotFound));
        Assert.NotNull((await servers.Accounts.FindAsync(_account, Cancellation))!.ClosedAt);
    }

    [Fact]
    public async Task Whatever_AnAdministratorDoes_IsWrittenDownFirst()
    {
        await AdjustAsync(-100, HttpStatusCode.OK);
        await SendAsync("credit", new { user = _account, amount = 5, reason = "a gift" }, HttpStatusCode.OK);
        await SendAsync("CLOSE/", new { user = _account }, HttpStatusCode.OK);
        await SendAsync("reopen", new { user = _account }, HttpStatusCode.OK);
        Assert.Equal(
            ["tokens_adjust", "tokens_credit", "tokens_close", "tokens_reopen"],
            _identity.Audit.Select(entry => entry.Action));
        Assert.All(_identity.Audit, entry => Assert.Equal(
            (_adminId, _account, "203.0.113.7"), (entry.Actor, entry.Subject, entry.Address)));
        Assert.Contains("\"reason\":\"a gift\"", _identity.Audit.ElementAt(1).Detail, StringComparison.Ordinal);

        _identity.Fails = HttpStatusCode.InternalServerError;
        Assert.Equal("identity_unavailable", await AdjustAsync(-100, HttpStatusCode.ServiceUnavailable));
        await servers.AssertBooksBalanceAsync(_account, 3905);
    }

    private Task<string?> AdjustAsync(long amount, HttpStatusCode expected) =>
        SendAsync("adjust", new { user = _account, amount, reason = "by mistake" }, expected);

    /// <returns>The code of a refusal.</returns>
    private async Task<string?> SendAsync(string action, object body, HttpStatusCode expected)
    {
        using var answer = await _admin.PostAsJsonAsync($"/api/tokens/{action}", body, Cancellation);
        var json = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.True(answer.StatusCode == expected, $"{answer.StatusCode}: {json}");
        return json.TryGetProperty("code", out var code) ? code.GetString() : null;
    }
}
