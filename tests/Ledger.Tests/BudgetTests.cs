using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>What a user or a key may spend in a month, and the events that say how much of a limit is gone.</summary>
public sealed class BudgetTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly Clock January = Clock.On(new(2026, 1, 31));
    private static readonly Clock February = Clock.On(new(2026, 2, 1));

    private readonly long _account = ServersFixture.NewAccount();
    private LedgerHost _host = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await LedgerHost.StartAsync(servers);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Budget_SetByAnAdministrator_RefusesWhatIsBeyondItUntilItIsTakenAway()
    {
        var user = _host.User(_account);
        Assert.Equal(HttpStatusCode.OK, await DeductAsync(100));
        Assert.Equal("""{"monthly_budget":250,"this_month":100}""", await SetAsync(250));
        Assert.Equal(HttpStatusCode.OK, await DeductAsync(150)); // What was spent before counts.
        using (var refused = await user.PostAsJsonAsync("/api/tokens/deduct", new { amount = 1 }, Cancellation))
        {
            Assert.Equal(HttpStatusCode.PaymentRequired, refused.StatusCode);
            var problem = await refused.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
            Assert.Equal("budget_reached", problem.GetProperty("code").GetString());
        }

        Assert.Equal(HoldOutcome.BudgetReached, (await HoldAsync(TimeProvider.System, 1, null)).Outcome);
        Assert.Contains(
            "\"monthly_budget\":250,\"this_month\":250",
            await user.GetStringAsync("/api/tokens/account", Cancellation), StringComparison.Ordinal);
        Assert.Equal("""{"monthly_budget":null,"this_month":250}""", await SetAsync(null));
        Assert.Equal(HttpStatusCode.OK, await DeductAsync(1));

        async Task<HttpStatusCode> DeductAsync(long amount) => (await user.PostAsJsonAsync(
            "/api/tokens/deduct", new { amount }, Cancellation)).StatusCode;
    }

    [Theory]
    [InlineData("""{"user":1}""")]
    [InlineData("""{"monthly_budget":5}""")]
    [InlineData("""{"user":1,"monthly_budget":-1}""")]
    [InlineData("""{"user":1,"monthly_budget":9007199254740992}""")]
    public async Task Budget_ThatIsNone_IsRefused(string body)
    {
        using var content = new StringContent(body, null, "application/json");
        using var answer = await _host.Admin(_account).PutAsync("/api/tokens/budget", content, Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Budget_SetByOthers_IsRefused()
    {
        var body = new { user = _account, monthly_budget = 5 };
        foreach (var (client, status) in new[]
        {
            (_host.User(_account), HttpStatusCode.Forbidden), (_host.Nobody(), HttpStatusCode.Unauthorized),
        })
        {
            using var answer = await client.PutAsJsonAsync("/api/tokens/budget", body, Cancellation);
            Assert.Equal(status, answer.StatusCode);
        }

        var nobody = new { user = ServersFixture.Identity.NewNobody(), monthly_budget = 5 };
        using var unknown = await _host.Admin(_account).PutAsJsonAsync("/api/tokens/budget", nobody, Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    /// <summary>The hold is January's, whenever it ends; February begins with nothing spent.</summary>
    [Fact]
    public async Task Month_ThatTurnsBetweenHoldAndCapture_CountsForTheHolds()
    {
        await servers.Accounts.SetBudgetAsync(_account, 1000, Cancellation);
        var key = new UsedApiKey(3, null, null, MonthlyLimit: 500);
        var (_, old) = await HoldAsync(January, 400, key);
        Assert.Equal(HoldOutcome.KeyLimitReached, (await HoldAsync(January, 101, key)).Outcome);
        var (outcome, young) = await HoldAsync(February, 500, key);
        Assert.Equal(HoldOutcome.Held, outcome);
        await CaptureAsync(old, 150);
        Assert.Equal((650, 500, 500), await SpentAsync());
        Assert.Equal(HoldOutcome.KeyLimitReached, (await HoldAsync(February, 1, key)).Outcome);
        await CaptureAsync(young, 260);
        Assert.Equal((410, 260, 260), await SpentAsync());
        Assert.Equal(HoldOutcome.Held, (await HoldAsync(February, 240, key)).Outcome);
        Assert.Equal(["key_month 3 2026-02-01 50"], await EventsAsync());

        async Task<(long, long, long)> SpentAsync() => (
            await servers.NumberAsync("SELECT total FROM key_spending WHERE account = $1", _account),
            await servers.NumberAsync("SELECT this_month FROM key_spending WHERE account = $1", _account),
            await servers.NumberAsync("SELECT this_month FROM accounts WHERE id = $1", _account));
    }

    [Fact]
    public async Task Limits_AreNotedOnceWhenTheyAreSpentAndNotWhenTheyAreHeld()
    {
        await servers.Accounts.SetBudgetAsync(_account, 1000, Cancellation);
        var key = new UsedApiKey(3, Limit: 2000, DailyLimit: 850);
        var (_, most) = await HoldAsync(January, 850, key);
        Assert.Empty(await EventsAsync());
        await CaptureAsync(most, 820); // 82 % of the budget, 96 % of the day, 41 % of the total.
        string[] first =
        [
            "key_day 3 2026-01-31 50", "key_day 3 2026-01-31 80", "month 0 2026-01-01 50", "month 0 2026-01-01 80",
        ];
        Assert.Equal(first, await EventsAsync());
        await CaptureAsync(most, 820);
        await servers.LedgerOn(January).MoveAsync(
            new TransferRequest(Guid.NewGuid(), _account, 30, TransferKind.Deduction, Key: key), Cancellation);
        Assert.Equal([.. first, "key_day 3 2026-01-31 100"], await EventsAsync());
        await servers.LedgerOn(February).MoveAsync(
            new TransferRequest(Guid.NewGuid(), _account, 800, TransferKind.Deduction, Key: key), Cancellation);
        Assert.Equal(
            ["key_day 3 2026-02-01 50", "key_day 3 2026-02-01 80", "key_total 3 1970-01-01 50",
                "key_total 3 1970-01-01 80", "month 0 2026-02-01 50", "month 0 2026-02-01 80"],
            (await EventsAsync()).Skip(5).Order(StringComparer.Ordinal));
    }

    private async Task<string> SetAsync(long? budget)
    {
        using var answer = await _host.Admin(_account).PutAsJsonAsync(
            "/api/tokens/budget", new { user = _account, monthly_budget = budget }, Cancellation);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync(Cancellation);
    }

    private async Task<(HoldOutcome Outcome, HoldItem Hold)> HoldAsync(TimeProvider clock, long amount, UsedApiKey? key)
    {
        var hold = new HoldItem(
            HoldOperation.Hold, _account, Guid.NewGuid(), Guid.NewGuid(), amount, new byte[32], key);
        return (Assert.Single(await servers.LedgerOn(clock).CarryOutAsync([hold], Cancellation)).Outcome, hold);
    }

    private async Task CaptureAsync(HoldItem hold, long cost)
    {
        var capture = hold with { Operation = HoldOperation.Capture, Amount = cost };
        var captured = await servers.LedgerOn(February).CarryOutAsync([capture], Cancellation);
        Assert.Equal(HoldOutcome.Captured, Assert.Single(captured).Outcome);
    }

    /// <summary>In the order in which they were written, and of those of one commit by their names.</summary>
    private async Task<List<string>> EventsAsync()
    {
        await using var command = servers.Database.CreateCommand($"""
            SELECT concat_ws(' ', kind, key_id, period, threshold) FROM limit_events WHERE account = {_account}
            ORDER BY created_at, kind, period, threshold
            """);
        await using var row = await command.ExecuteReaderAsync(Cancellation);
        var events = new List<string>();
        while (await row.ReadAsync(Cancellation))
        {
            events.Add(row.GetString(0));
        }

        return events;
    }
}
