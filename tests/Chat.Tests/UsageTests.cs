using System.Net;
using System.Text.Json;
using Chat.Service.Chats;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Chat.Tests;

/// <summary>
/// What was used is added up with the chats, once each, and shown to whom it belongs and to administrators.
/// </summary>
public sealed class UsageTests(ChatDatabase database) : IAsyncLifetime
{
    private readonly long _user = Random.Shared.NextInt64(1_000_000, int.MaxValue);
    private ChatHost _host = null!;
    private HttpClient _client = null!;
    private HttpClient _admin = null!;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    private static string Today => $"{DateTime.UtcNow:yyyy-MM-dd}";

    public async ValueTask InitializeAsync()
    {
        _host = await ChatHost.StartAsync(database);
        _client = _host.NewClient(_user);
        _admin = _host.NewClient();
        _admin.DefaultRequestHeaders.Add("X-Role", "admin");
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _admin.Dispose();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Usage_OfToday_IsTheSumOfTheChats()
    {
        await SendAsync(_client);
        await SendAsync(_client);
        using (var other = _host.NewClient())
        {
            await SendAsync(other);
        }

        var report = await _client.CallAsync(HttpMethod.Get, "/api/usage").JsonAsync(HttpStatusCode.OK);
        Assert.Equal(("day", Today), (report.GetProperty("by").GetString(), report.GetProperty("to").GetString()));
        var row = Assert.Single(report.GetProperty("rows").EnumerateArray());
        Assert.Equal(
            $$"""{"day":"{{Today}}","requests":2,"input_tokens":4,"cached_tokens":0,"output_tokens":12,"cost":200,"""
                + "\"estimated\":0}",
            row.GetRawText());
    }

    [Fact]
    public async Task Usage_ByKey_TellsThemApart()
    {
        await SendAsync(_client);
        using (var key = _host.NewClient(_user))
        {
            key.DefaultRequestHeaders.Add("X-Key", "5");
            await SendAsync(key);
            await SendAsync(key);
        }

        Assert.Equal(
            [(5, 200), (0, 100)],
            (await RowsAsync(_client, "by=key")).Select(row =>
                (row.GetProperty("key").GetInt32(), row.GetProperty("cost").GetInt32())));
    }

    [Fact]
    public async Task Usage_ByModel_IsOfTheModelThatWasAsked()
    {
        await SendAsync(_client);
        Assert.Equal("mock", Assert.Single(await RowsAsync(_client, "by=model")).GetProperty("model").GetString());
    }

    [Fact]
    public async Task Usage_AsCsv_HasTheSameRows()
    {
        await SendAsync(_client);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/usage");
        request.Headers.Accept.Add(new("text/csv"));
        using var response = await _client.SendAsync(request, CancellationToken).Soon();
        Assert.Equal("text/csv", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(
            "requests,input_tokens,cached_tokens,output_tokens,cost,estimated,day,model,key,user\r\n"
                + $"1,2,0,6,100,0,{Today},,,\r\n",
            await response.Content.ReadAsStringAsync(CancellationToken).Soon());
    }

    /// <summary>It goes in the statement that inserts: a chat that is stored twice, or replayed, counts once.</summary>
    [Fact]
    public async Task Usage_OfAChatThatIsStoredTwice_CountsOnce()
    {
        var store = new ChatStore(database.Source);
        var chat = new PendingChat(Guid.NewGuid(), _user, "hello") { Most = 100 }.Answered("hi", 3900);
        Assert.NotNull(await store.AddAsync(chat).Soon());
        Assert.Null(await store.AddAsync(chat).Soon());
        Assert.Equal(1, Assert.Single(await RowsAsync(_client, "by=day")).GetProperty("requests").GetInt32());
    }

    /// <summary>Many batches count up the same rows at once, in all orders.</summary>
    [Fact]
    public async Task Usage_OfManyAtOnce_LosesNone()
    {
        ChatStore[] replicas = [new(database.Source), new(database.Source)];
        await Task.WhenAll(Enumerable.Range(0, 600).Select(async n =>
        {
            var chat = new PendingChat(Guid.NewGuid(), _user + (n % 7), "hello")
            {
                Most = 1,
                Key = new UsedApiKey(1 + (n % 5), null, null),
                Conversation = n % 2 == 0 ? Guid.NewGuid() : null,
            };
            Assert.NotNull(await replicas[n % 2].AddAsync(chat.Answered("hi", 1)));
        })).Soon();
        for (var user = 0; user < 7; user++)
        {
            var rows = await RowsAsync(_admin, $"user={_user + user}&by=key");
            var expected = Enumerable.Range(0, 600).Count(n => n % 7 == user);
            Assert.Equal(expected, rows.Sum(row => row.GetProperty("requests").GetInt32()));
            Assert.Equal(5, rows.Count);
        }
    }

    [Fact]
    public async Task Usage_StaysWhenTheWordsAreDeleted()
    {
        await SendAsync(_client);
        await _host.Running.DrainAsync(CancellationToken).Soon();
        await _client.CallAsync(HttpMethod.Delete, "/api/chat").JsonAsync(HttpStatusCode.NoContent);
        Assert.Single(await RowsAsync(_client, "by=day"));
    }

    [Fact]
    public async Task Days_BeforeAndAfter_AreLeftOut()
    {
        await using (var old = database.Source.CreateCommand(
            "INSERT INTO usage VALUES ($1, '2025-01-31', 'm', 0, 3, 30, 10, 20, 300, 1)"))
        {
            old.Parameters.Add(new NpgsqlParameter<long> { TypedValue = _user });
            await old.ExecuteNonQueryAsync(CancellationToken).Soon();
        }

        Assert.Empty(await RowsAsync(_client, "by=day"));
        Assert.Empty(await RowsAsync(_client, "from=2025-01-01&to=2025-01-30"));
        Assert.Empty(await RowsAsync(_client, "from=2025-02-01&to=2025-02-02"));
        var row = Assert.Single(await RowsAsync(_client, "from=2025-01-31&to=2025-01-31&by=model"));
        Assert.Equal(
            (3, 30, 10, 20, 300, 1),
            (row.GetProperty("requests").GetInt32(), row.GetProperty("input_tokens").GetInt32(),
                row.GetProperty("cached_tokens").GetInt32(), row.GetProperty("output_tokens").GetInt32(),
                row.GetProperty("cost").GetInt32(), row.GetProperty("estimated").GetInt32()));
    }

    [Fact]
    public async Task Administrator_SeesAllUsersAndAnyOne()
    {
        await SendAsync(_client);
        await SendAsync(_client);
        var own = Assert.Single(await RowsAsync(_admin, $"user={_user}"));
        Assert.Equal(200, own.GetProperty("cost").GetInt32());
        Assert.NotEmpty(await RowsAsync(_admin, "user=all&by=model"));
        var users = await RowsAsync(_admin, "by=user&limit=1000");
        Assert.Contains(users, row => row.GetProperty("user").GetInt64() == _user
            && row.GetProperty("cost").GetInt32() == 200);
        var costs = users.ConvertAll(row => row.GetProperty("cost").GetInt64());
        Assert.Equal(costs.OrderDescending(), costs);
    }

    [Fact]
    public async Task Rows_BeyondTheLimit_AreOnTheNextPage()
    {
        await SendAsync(_client);
        using (var key = _host.NewClient(_user))
        {
            key.DefaultRequestHeaders.Add("X-Key", "7");
            await SendAsync(key);
        }

        using var response = await _client.CallAsync(HttpMethod.Get, "/api/usage?by=key&limit=1");
        var next = Assert.Single(response.Headers.GetValues("Link")).Split('<', '>')[1];
        var rows = (await _client.CallAsync(HttpMethod.Get, next).JsonAsync(HttpStatusCode.OK)).GetProperty("rows");
        Assert.Equal(7, Assert.Single(rows.EnumerateArray()).GetProperty("key").GetInt32());
    }

    [Theory]
    [InlineData("?user=1", HttpStatusCode.Forbidden)]
    [InlineData("?user=all", HttpStatusCode.Forbidden)]
    [InlineData("?by=user", HttpStatusCode.Forbidden)]
    [InlineData("?by=week", HttpStatusCode.BadRequest)]
    [InlineData("?from=2025-01-02&to=2025-01-01", HttpStatusCode.BadRequest)]
    [InlineData("?from=2024-01-01&to=2025-01-01", HttpStatusCode.BadRequest)]
    [InlineData("?from=yesterday", HttpStatusCode.BadRequest)]
    [InlineData("?to=0001-01-05&from=0001-01-06", HttpStatusCode.BadRequest)]
    [InlineData("?to=0001-01-05", HttpStatusCode.OK)]
    [InlineData("?user=-1", HttpStatusCode.BadRequest)]
    [InlineData("?limit=0", HttpStatusCode.BadRequest)]
    public async Task Request_ThatIsNotAllowed_IsRefused(string query, HttpStatusCode expected) =>
        await _client.CallAsync(HttpMethod.Get, $"/api/usage{query}").JsonAsync(expected);

    /// <summary>A key may leak, and an administrator's with it.</summary>
    [Fact]
    public async Task Administrator_WithAnApiKey_SeesNoOther()
    {
        _admin.DefaultRequestHeaders.Add("X-Key", "5");
        await _admin.CallAsync(HttpMethod.Get, "/api/usage?by=user").JsonAsync(HttpStatusCode.Forbidden);
    }

    private async Task SendAsync(HttpClient client)
    {
        _host.Ledger.Balance = 1_000_000;
        await client.CallAsync(HttpMethod.Post, "/api/chat", new { message = "Hello AI" })
            .JsonAsync(HttpStatusCode.Created);
    }

    private static async Task<List<JsonElement>> RowsAsync(HttpClient client, string query) =>
        [.. (await client.CallAsync(HttpMethod.Get, $"/api/usage?{query}").JsonAsync(HttpStatusCode.OK))
            .GetProperty("rows").EnumerateArray()];
}
