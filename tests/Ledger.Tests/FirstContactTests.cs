using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Ledger.Service.Accounts;
using Ledger.Service.Transfers;
using Microsoft.Extensions.Hosting;

namespace Ledger.Tests;

/// <summary>The first contact with an account opens it with what Identity says, or finds that nobody has it.</summary>
public sealed class FirstContactTests(ServersFixture servers) : IAsyncLifetime
{
    private StubIdentity _identity = null!;
    private AccountLedger _accounts = null!;
    private TokenLedger _ledger = null!;
    private LedgerHost _host = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Every call that can be the first, and the status of its answer when there is such a user.</summary>
    public static TheoryData<string, int> Calls => new()
    {
        { "balance", 200 }, { "account", 200 }, { "history", 200 }, { "deduct", 200 }, { "credit", 200 },
        { "close", 200 },
    };

    public async ValueTask InitializeAsync()
    {
        _identity = await StubIdentity.StartAsync();
        var cache = ServersFixture.NewCache(redis: null);
        _accounts = ServersFixture.NewAccounts(servers.Database, cache, openings: _identity.Openings);
        _ledger = ServersFixture.NewLedger(servers.Database, cache, openings: _identity.Openings);
        _host = await LedgerHost.StartAsync(servers, _accounts, _ledger);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _identity.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Call_OfAUserWhoHasNoAccount_OpensItWithWhatIdentitySays(string call, int status)
    {
        _identity.Credits = 700;
        var account = ServersFixture.NewAccount();
        var answer = await CallAsync(call, account);
        Assert.Equal(status, (int)answer.StatusCode);
        await CallAsync(call, account);
        Assert.Single(_identity.Asked, account); // Once is enough.
        await servers.AssertBooksBalanceAsync(account, 700 + call switch { "deduct" => -2, "credit" => 2, _ => 0 });
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Call_ForANumberThatNobodyHas_IsUnknownAndWritesNothing(string call, int status)
    {
        Assert.Equal(200, status);
        var nobody = _identity.NewNobody();
        await AssertProblemAsync(await CallAsync(call, nobody), HttpStatusCode.NotFound, "unknown_account");
        await AssertNoAccountAsync(nobody);
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Call_WhileIdentityIsAway_Is503AndWorksLater(string call, int status)
    {
        var account = ServersFixture.NewAccount();
        foreach (var failure in new[] { HttpStatusCode.ServiceUnavailable, (HttpStatusCode)0 })
        {
            _identity.Fails = failure;
            var refused = await CallAsync(call, account);
            await AssertProblemAsync(refused, HttpStatusCode.ServiceUnavailable, "identity_unavailable");
            Assert.NotNull(refused.Headers.RetryAfter?.Delta);
            await AssertNoAccountAsync(account);
        }

        _identity.Fails = null;
        Assert.Equal(status, (int)(await CallAsync(call, account)).StatusCode);
    }

    [Fact]
    public async Task Call_OfAnOpenAccount_DoesNotAskIdentity()
    {
        var account = ServersFixture.NewAccount();
        await _accounts.OpenAsync(account, 50, Cancellation);
        _identity.Fails = HttpStatusCode.ServiceUnavailable;
        foreach (var call in Calls.Select(row => row.Data.Item1))
        {
            Assert.Equal(HttpStatusCode.OK, (await CallAsync(call, account)).StatusCode);
        }

        Assert.Empty(_identity.Asked);
    }

    [Fact]
    public async Task Batch_OfKnownAndUnknownAccounts_RefusesTheUnknownOnesAlone()
    {
        var (open, fresh, nobody) = (ServersFixture.NewAccount(), ServersFixture.NewAccount(), _identity.NewNobody());
        await _accounts.OpenAsync(open, 50, Cancellation);
        var results = await _ledger.CarryOutAsync(
            [
                Hold(nobody), Hold(open), Hold(fresh), Hold(nobody),
                new HoldItem(HoldOperation.Capture, nobody, Guid.NewGuid(), Amount: 1),
                new HoldItem(HoldOperation.Release, nobody, Guid.NewGuid()),
            ],
            Cancellation).WaitAsync(TimeSpan.FromSeconds(30), Cancellation);
        Assert.Equal(
            [
                new HoldResult(HoldOutcome.UnknownAccount, 10, 0, 0), new HoldResult(HoldOutcome.Held, 10, 50, 10),
                new HoldResult(HoldOutcome.Held, 10, 4000, 10), new HoldResult(HoldOutcome.UnknownAccount, 10, 0, 0),
                new HoldResult(HoldOutcome.UnknownHold, 0, 0, 0), new HoldResult(HoldOutcome.Released, 0, 0, 0),
            ],
            results);
        await AssertNoAccountAsync(nobody);
    }

    [Fact]
    public async Task Batch_WhileIdentityIsAway_FailsForNewAccountsAlone()
    {
        var (open, fresh) = (ServersFixture.NewAccount(), ServersFixture.NewAccount());
        await _accounts.OpenAsync(open, 50, Cancellation);
        _identity.Fails = HttpStatusCode.ServiceUnavailable;
        var hold = Hold(fresh);
        var results = await _ledger.CarryOutAsync([hold, Hold(open)], Cancellation);
        Assert.Equal([HoldOutcome.Failed, HoldOutcome.Held], results.Select(result => result.Outcome));
        await AssertNoAccountAsync(fresh);

        _identity.Fails = null;
        Assert.Equal(HoldOutcome.Held, Assert.Single(await _ledger.CarryOutAsync([hold], Cancellation)).Outcome);
    }

    /// <summary>Identity says so of a user who leaves, whom it does not know any more by then.</summary>
    [Fact]
    public async Task Close_ByIdentityOfAnAccountThatWasNeverUsed_LeavesNothingToOpen()
    {
        var account = _identity.NewNobody();
        var closed = await _host.Identity().PutAsync($"/accounts/{account}/closed", null, Cancellation);
        Assert.Equal(HttpStatusCode.NoContent, closed.StatusCode);
        await AssertProblemAsync(
            await CallAsync("deduct", account), HttpStatusCode.Conflict, "account_closed");
        Assert.Empty(_identity.Asked);
        await servers.AssertBooksBalanceAsync(account, 0);
    }

    [Fact]
    public async Task FirstContacts_ManyAtOnce_OpenOnce()
    {
        var account = ServersFixture.NewAccount();
        await Task.WhenAll(Enumerable.Range(0, 20).SelectMany(_ => new Task[]
        {
            _accounts.GetBalanceAsync(account, Cancellation), _ledger.CarryOutAsync([Hold(account)], Cancellation),
        }));
        await servers.AssertBooksBalanceAsync(account, 4000);
        Assert.Equal(200, await servers.NumberAsync("SELECT held FROM accounts WHERE id = $1", account));
    }

    private static HoldItem Hold(long account) =>
        new(HoldOperation.Hold, account, Guid.NewGuid(), Guid.NewGuid(), 10, new byte[32]);

    private async Task<HttpResponseMessage> CallAsync(string call, long account)
    {
        using var user = _host.User(account);
        using var admin = _host.Admin(ServersFixture.NewAccount());
        return call switch
        {
            "balance" => await user.GetAsync("/api/tokens", Cancellation),
            "account" => await user.GetAsync("/api/tokens/account", Cancellation),
            "history" => await user.GetAsync("/api/tokens/history", Cancellation),
            "deduct" => await user.PostAsJsonAsync("/api/tokens/deduct", new { amount = 1 }, Cancellation),
            "credit" => await admin.PostAsJsonAsync(
                "/api/tokens/credit", new { user = account, amount = 1, reason = "a gift" }, Cancellation),
            _ => await admin.PostAsJsonAsync("/api/tokens/close", new { user = account }, Cancellation),
        };
    }

    private static async Task AssertProblemAsync(HttpResponseMessage answer, HttpStatusCode status, string code)
    {
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal(code, problem.GetProperty("code").GetString());
    }

    private async Task AssertNoAccountAsync(long account)
    {
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM accounts WHERE id = $1", account));
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM transfers WHERE account = $1", account));
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM holds WHERE account_id = $1", account));
    }
}
