using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ledger.Tests;

/// <summary>Holds as Chat.Service sees them: over HTTP, as JSON.</summary>
public sealed class HoldsApiTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly string Hash = Convert.ToBase64String(new byte[32]);

    private readonly long _account = ServersFixture.NewAccount();
    private LedgerHost _host = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await LedgerHost.StartAsync(servers);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Batch_OfMixedItems_AnswersEachInItsPlace()
    {
        var (one, two, none) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        var holder = Guid.NewGuid();
        var results = await CarryOutAsync(
            Hold(one, holder),
            Hold(one, Guid.NewGuid()),
            Hold(one, holder, hash: Convert.ToBase64String([.. Enumerable.Repeat((byte)1, 32)])),
            Hold(two, holder, amount: 4000),
            Hold(two, holder, key: new { id = 1, limit = 99 }),
            Item("capture", one, amount: 30),
            Item("capture", none, amount: 30),
            Hold(two, holder),
            Item("release", two, holder));
        Assert.Equal(
            [
                ("held", 100, 4000, 100), ("in_progress", 100, 4000, 100), ("conflict", 100, 4000, 100),
                ("insufficient_tokens", 4000, 4000, 100), ("key_limit_reached", 100, 4000, 100),
                ("captured", 30, 3970, 0), ("unknown_hold", 0, 3970, 0), ("held", 100, 3970, 100),
                ("released", 0, 3970, 0),
            ],
            results.Select(result => (
                result.GetProperty("outcome").GetString(), result.GetProperty("amount").GetInt64(),
                result.GetProperty("balance").GetInt64(), result.GetProperty("held").GetInt64())));
        await servers.AssertBooksBalanceAsync(_account, 3970);

        (await _host.Identity().PutAsync($"/accounts/{_account}/closed", null, Cancellation)).EnsureSuccessStatusCode();
        Assert.Equal("account_closed", (await CarryOutAsync(Hold(two, holder)))[0].GetProperty("outcome").GetString());
    }

    [Theory]
    [InlineData("too many")]
    [InlineData("none")]
    [InlineData("no items")]
    [InlineData("unknown operation")]
    [InlineData("deduct")]
    [InlineData("credit")]
    [InlineData("adjust")]
    [InlineData("a number as operation")]
    [InlineData("no operation")]
    [InlineData("no hash")]
    [InlineData("short hash")]
    [InlineData("negative amount")]
    [InlineData("amount too large")]
    [InlineData("no account")]
    [InlineData("account 0")]
    [InlineData("null item")]
    public async Task Batch_WithAMistake_IsRefusedAndWritesNothing(string mistake)
    {
        var bad = Hold(Guid.NewGuid(), Guid.NewGuid());
        var items = new JsonArray(Hold(Guid.NewGuid(), Guid.NewGuid()), bad);
        JsonNode body = new JsonObject { ["items"] = items };
        switch (mistake)
        {
            case "too many":
                while (items.Count < 65)
                {
                    items.Add(Hold(Guid.NewGuid(), Guid.NewGuid()));
                }

                break;
            case "none": items.Clear(); break;
            case "no items": body = new JsonObject(); break;
            case "unknown operation": bad["operation"] = "refund"; break;
            case "deduct" or "credit" or "adjust": bad["operation"] = mistake; break;
            case "a number as operation": bad["operation"] = 1; break;
            case "no operation": bad.Remove("operation"); break;
            case "no hash": bad["hash"] = null; break;
            case "short hash": bad["hash"] = Convert.ToBase64String(new byte[31]); break;
            case "negative amount": bad["amount"] = -1; break;
            case "amount too large": bad["amount"] = 1L << 53; break;
            case "no account": bad.Remove("account"); break;
            case "account 0": bad["account"] = 0; break;
            default: items[1] = null; break;
        }

        var answer = await _host.Service().PostAsJsonAsync("/holds/batch", body, Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM accounts WHERE id = $1", _account));
        Assert.Equal(0, await servers.NumberAsync("SELECT count(*) FROM holds WHERE account_id = $1", _account));
    }

    [Fact]
    public async Task Renewal_AndList_TellWhatIsGoneAndWhatIsOpen()
    {
        var (open, gone, holder, conversation) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        var hold = Hold(open, holder);
        hold["conversation"] = conversation;
        await CarryOutAsync(hold);
        var renewal = new { holds = new[] { open, gone }.Select(id => new { account = _account, id, holder }) };
        var answer = await _host.Service().PostAsJsonAsync("/holds/renewal", renewal, Cancellation);
        var lost = Assert.Single((await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).EnumerateArray());
        Assert.Equal((_account, gone), (lost.GetProperty("account").GetInt64(), lost.GetProperty("id").GetGuid()));

        var listed = Assert.Single(await ListAsync($"account={_account}"));
        Assert.Equal(open, listed.GetProperty("id").GetGuid());
        Assert.Equal(holder, listed.GetProperty("holder").GetGuid());
        Assert.Equal(Hash, listed.GetProperty("hash").GetString());
        Assert.Equal(100, listed.GetProperty("amount").GetInt64());
        Assert.Equal(conversation, listed.GetProperty("conversation").GetGuid());

        Assert.Empty(await ListAsync($"account={_account}&notRenewedFor=00:00:30"));
        Assert.Empty(await ListAsync($"account={_account}&afterAccount={_account}&after={open}"));
        Assert.Single(await ListAsync($"account={_account}&afterAccount={_account - 1}&after={Guid.Empty}"));
    }

    /// <summary>More than the 256 KiB that other calls may have.</summary>
    [Fact]
    public async Task Renewal_OfAsManyAsMayBe_IsAnswered()
    {
        var holds = Enumerable.Range(0, 10_000)
            .Select(_ => new { account = long.MaxValue, id = Guid.NewGuid(), holder = Guid.NewGuid() });
        var answer = await _host.Service().PostAsJsonAsync("/holds/renewal", new { holds }, Cancellation);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(10_000, (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetArrayLength());
    }

    [Theory]
    [InlineData("POST", "/holds/batch")]
    [InlineData("POST", "/holds/renewal")]
    [InlineData("GET", "/holds")]
    public async Task Call_WithoutAServicesToken_IsRefused(string method, string path)
    {
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(_host.Nobody()));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(_host.User(_account)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(_host.Admin(_account)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(_host.Identity()));

        async Task<HttpStatusCode> SendAsync(HttpClient client)
        {
            using var request = new HttpRequestMessage(new(method), path);
            request.Content = method == "POST" ? JsonContent.Create(new { items = Array.Empty<object>() }) : null;
            return (await client.SendAsync(request, Cancellation)).StatusCode;
        }
    }

    private JsonObject Hold(
        Guid id, Guid holder, long amount = 100, string? hash = null, object? key = null)
    {
        var item = Item("hold", id, holder, amount);
        item["hash"] = hash ?? Hash;
        item["key"] = JsonSerializer.SerializeToNode(key);
        return item;
    }

    private JsonObject Item(string operation, Guid id, Guid? holder = null, long amount = 0) => new()
    {
        ["operation"] = operation,
        ["account"] = _account,
        ["id"] = id,
        ["holder"] = holder ?? Guid.Empty,
        ["amount"] = amount,
    };

    private async Task<List<JsonElement>> CarryOutAsync(params JsonObject[] items)
    {
        var answer = await _host.Service().PostAsJsonAsync("/holds/batch", new { items }, Cancellation);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return [.. (await answer.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).EnumerateArray()];
    }

    private async Task<List<JsonElement>> ListAsync(string query) =>
        [.. (await _host.Service().GetFromJsonAsync<JsonElement>($"/holds?{query}", Cancellation)).EnumerateArray()];
}
