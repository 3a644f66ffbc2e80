using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>API keys through the gateway and all services, two replicas of each.</summary>
public sealed class ApiKeyTests(AppHostFixture system)
{
    private static readonly string[] s_another = ["another"];
    private static readonly string[] s_mock = ["mock"];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chats_50AtOnceWithAKeyFor10_Exactly10AreAnsweredAndPaid()
    {
        using var user = await system.NewUserAsync();
        var key = await NewKeyAsync(user, limit: 1000);
        using var client = ClientOf(key);
        var responses = await Task.WhenAll(Enumerable.Range(0, 50).Select(n =>
            client.PostAsync("/api/chat", new { message = $"message {n}" })));
        Assert.Equal(10, responses.Count(response => response.StatusCode == HttpStatusCode.Created));
        foreach (var refused in responses.Where(response => response.StatusCode != HttpStatusCode.Created))
        {
            Assert.Equal("key_limit_reached", (await refused.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);
        }

        Assert.Equal(3000, await user.Client.BalanceAsync());
        Assert.Equal(new Spending(key.Id, 1000, 1000), Assert.Single(await SpendingAsync(user.Client)));
        using var chats = await client.ReadAsync("/api/chat?limit=100");
        Assert.Equal(10, (await chats.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK)).Count);

        // The user's own login is not limited, nor is another key.
        using var own = await user.Client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal(HttpStatusCode.Created, own.StatusCode);
        using var other = ClientOf(await NewKeyAsync(user));
        using var chat = await other.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal(HttpStatusCode.Created, chat.StatusCode);
    }

    [Fact]
    public async Task Deductions_WithAKey_AreHeldToItsDailyLimitAndShownInTheHistory()
    {
        using var user = await system.NewUserAsync();
        var key = await NewKeyAsync(user, dailyLimit: 250);
        using var client = ClientOf(key);
        using var first = await client.PostAsync("/api/tokens/deduct", new { amount = 200 }, "first");
        using var again = await client.PostAsync("/api/tokens/deduct", new { amount = 200 }, "first");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, again.StatusCode));
        using var refused = await client.PostAsync("/api/tokens/deduct", new { amount = 51 });
        Assert.Equal("key_limit_reached", (await refused.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);
        Assert.Equal(3800, await client.BalanceAsync());

        using var history = await client.ReadAsync("/api/tokens/history");
        var entries = await history.ReadAsync<List<Entry>>(HttpStatusCode.OK);
        Assert.Equal([("deduction", key.Id), ("opening", null)], entries.Select(entry => (entry.Kind, entry.Key)));
    }

    [Fact]
    public async Task Key_ForOtherModels_CannotUseOrSeeThisOne()
    {
        using var user = await system.NewUserAsync();
        using var made = await user.Client.PostAsync(
            "/api/keys", new { name = "test", monthly_limit = 1000, models = s_another, scopes = ApiClient.Scopes });
        using var client = ClientOf(await made.ReadAsync<NewKey>(HttpStatusCode.Created));
        using var chat = await client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal("model_not_allowed", (await chat.ProblemAsync(HttpStatusCode.Forbidden)).Code);
        using var completion = await client.PostAsync(
            "/api/v1/chat/completions",
            new { model = "mock", messages = new[] { new { role = "user", content = "hello" } } });
        Assert.Equal(HttpStatusCode.Forbidden, completion.StatusCode);
        var error = (await completion.Content.ReadFromJsonAsync<JsonElement>(CancellationToken)).GetProperty("error");
        Assert.Equal(
            ("permission_error", "model_not_allowed"),
            (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        using var models = await client.ReadAsync("/api/v1/models");
        Assert.Equal(0, (await models.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetProperty("data").GetArrayLength());
        Assert.Equal(4000, await client.BalanceAsync());
    }

    [Fact]
    public async Task Chats_WithAMonthlyLimitAndABudget_AreHeldToTheNearer()
    {
        using var user = await system.NewUserAsync();
        using var made = await user.Client.PostAsync(
            "/api/keys", new { name = "test", monthly_limit = 100, models = s_mock, scopes = ApiClient.Scopes });
        using var client = ClientOf(await made.ReadAsync<NewKey>(HttpStatusCode.Created));
        using var first = await client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        using var second = await client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal("key_limit_reached", (await second.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);

        using var admin = await system.AdminAsync();
        using var me = await user.Client.ReadAsync("/api/me");
        var id = (await me.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetProperty("id").GetInt64();
        using var set = await admin.PutAsync(
            "/api/tokens/budget", JsonContent.Create(new { user = id, monthly_budget = 150 }), CancellationToken);
        Assert.Equal(HttpStatusCode.OK, set.StatusCode);
        using var third = await user.Client.PostAsync("/api/chat", new { message = "hello" });
        Assert.Equal("budget_reached", (await third.ProblemAsync(HttpStatusCode.PaymentRequired)).Code);
    }

    [Theory]
    [InlineData("/api/chat", "application/json", HttpStatusCode.Created, """{"message":"hello"}""")]
    [InlineData("/api/chat", "text/event-stream", HttpStatusCode.OK, """{"message":"hello"}""")]
    [InlineData(
        "/api/v1/chat/completions", "application/json", HttpStatusCode.OK,
        """{"model":"mock","messages":[{"role":"user","content":"hello"}]}""")]
    [InlineData(
        "/api/v1/chat/completions", "text/event-stream", HttpStatusCode.OK,
        """{"model":"mock","stream":true,"messages":[{"role":"user","content":"hello"}]}""")]
    public async Task Limit_OfAKey_HoldsForEveryWayToChat(
        string path, string accept, HttpStatusCode answered, string body)
    {
        using var user = await system.NewUserAsync();
        using var client = ClientOf(await NewKeyAsync(user, limit: 150));
        client.DefaultRequestHeaders.Accept.ParseAdd(accept);
        foreach (var expected in new[] { answered, HttpStatusCode.PaymentRequired })
        {
            using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
            using var response = await client.PostAsync(path, content, CancellationToken)
                .WaitAsync(Patience, CancellationToken);
            Assert.Equal(expected, response.StatusCode);
            await response.Content.ReadAsStringAsync(CancellationToken).WaitAsync(Patience, CancellationToken);
        }

        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Words_OfTheUser_CannotBeDeletedWithAKey()
    {
        using var user = await system.NewUserAsync();
        using var client = ClientOf(await NewKeyAsync(user));
        using var chat = await client.PostAsync("/api/chat", new { message = "hello" });
        var id = (await chat.ReadAsync<ChatAnswer>(HttpStatusCode.Created)).Id;
        foreach (var path in new[] { "/api/chat", $"/api/chat/{id}", $"/api/conversations/{Guid.NewGuid()}" })
        {
            using var refused = await SendAsync(client, HttpMethod.Delete, path, body: null);
            await refused.ProblemAsync(HttpStatusCode.Forbidden);
        }

        using var own = await SendAsync(user.Client, HttpMethod.Delete, $"/api/chat/{id}", body: null);
        Assert.Equal(HttpStatusCode.NoContent, own.StatusCode);
    }

    [Fact]
    public async Task Limit_RaisedByTheUser_HoldsSoonForTheKey()
    {
        using var user = await system.NewUserAsync();
        var key = await NewKeyAsync(user, limit: 0);
        using var client = ClientOf(key);
        using var refused = await client.PostAsync("/api/tokens/deduct", new { amount = 1 });
        await refused.ProblemAsync(HttpStatusCode.PaymentRequired);
        using var raised = await SendAsync(
            user.Client, HttpMethod.Patch, $"/api/keys/{key.Id}", new { limit = (long?)null });
        Assert.Equal(HttpStatusCode.OK, raised.StatusCode);
        await UntilAsync(async () =>
        {
            using var response = await client.PostAsync("/api/tokens/deduct", new { amount = 1 });
            return response.StatusCode is HttpStatusCode.OK;
        });
    }

    /// <summary>The gateway's own tests see to the 5 seconds, by a clock of theirs.</summary>
    [Fact]
    public async Task Key_Revoked_IsSoonRefusedByEveryReplica()
    {
        using var user = await system.NewUserAsync();
        var key = await NewKeyAsync(user);
        using var client = ClientOf(key);
        Assert.Equal(4000, await client.BalanceAsync());
        using var revoked = await SendAsync(user.Client, HttpMethod.Delete, $"/api/keys/{key.Id}");
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        await UntilAsync(async () =>
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => client.ReadAsync("/api/tokens")));
            return answers.All(answer => answer.StatusCode is HttpStatusCode.Unauthorized);
        });
        using var refused = await client.ReadAsync("/api/tokens");
        Assert.Equal("unknown_api_key", (await refused.ProblemAsync(HttpStatusCode.Unauthorized)).Code);
    }

    [Theory]
    [InlineData("POST", "/api/keys")]
    [InlineData("GET", "/api/keys")]
    [InlineData("PATCH", "/api/keys/{id}")]
    [InlineData("DELETE", "/api/keys/{id}")]
    [InlineData("POST", "/api/password")]
    [InlineData("DELETE", "/api/me")]
    [InlineData("POST", "/api/tokens/credit")]
    [InlineData("POST", "/api/tokens/close")]
    public async Task Call_ThatIsNotForKeys_Is403AlsoForAnAdminsKey(string method, string path)
    {
        using var admin = await system.AdminAsync();
        var key = await NewKeyAsync(admin);
        using var client = ClientOf(key);
        using var refused = await SendAsync(
            client, new(method), path.Replace("{id}", $"{key.Id}", StringComparison.Ordinal),
            method == "GET"
                ? null
                : new { name = "x", password = ApiClient.Password, user = 1, amount = 1, reason = "x" });
        await refused.ProblemAsync(HttpStatusCode.Forbidden);
        using var me = await client.ReadAsync("/api/me");
        Assert.Equal(HttpStatusCode.OK, me.StatusCode);
        using var revoked = await SendAsync(admin, HttpMethod.Delete, $"/api/keys/{key.Id}");
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
    }

    [Fact]
    public async Task Key_SeesWhatItHasSpentItself_AndAUserWhatAllHave()
    {
        using var user = await system.NewUserAsync();
        var (one, other) = (await NewKeyAsync(user), await NewKeyAsync(user));
        using var first = ClientOf(one);
        using var second = ClientOf(other);
        using var spent = await first.PostAsync("/api/tokens/deduct", new { amount = 1 });
        using var more = await second.PostAsync("/api/tokens/deduct", new { amount = 2 });
        Assert.Equal(new Spending(one.Id, 1, 1), Assert.Single(await SpendingAsync(first)));
        Assert.Equal(
            [new Spending(other.Id, 2, 2), new Spending(one.Id, 1, 1)], await SpendingAsync(user.Client));
        using var stranger = await system.NewUserAsync();
        Assert.Empty(await SpendingAsync(stranger.Client));
    }

    [Theory]
    [InlineData("identity", "/api/me")]
    [InlineData("ledger", "/api/tokens")]
    [InlineData("chat", "/api/chat")]
    public async Task Key_AtAServiceItself_IsNoToken(string service, string path)
    {
        using var user = await system.NewUserAsync();
        using var client = system.App.CreateHttpClient(service);
        client.DefaultRequestHeaders.Authorization = new("Bearer", (await NewKeyAsync(user)).Key);
        using var refused = await client.ReadAsync(path);
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Key_InAnyTable_IsNotToBeFound()
    {
        using var user = await system.NewUserAsync();
        var key = await NewKeyAsync(user);
        using var client = ClientOf(key);
        Assert.Equal(4000, await client.BalanceAsync());
        await using var database = NpgsqlDataSource.Create(
            (await system.App.GetConnectionStringAsync("identitydb", CancellationToken))!);
        foreach (var table in new[] { "api_keys", "tokens", "authorizations", "users" })
        {
            await using var command = database.CreateCommand(
                $"SELECT count(*) FROM {table} WHERE {table}::text LIKE '%{key.Key[9..].Replace("_", @"\_")}%'");
            Assert.Equal(0L, await command.ExecuteScalarAsync(CancellationToken));
        }
    }

    private static async Task<NewKey> NewKeyAsync(HttpClient client, long? limit = null, long? dailyLimit = null)
    {
        using var made = await client.PostAsync(
            "/api/keys", new { name = "test", limit, daily_limit = dailyLimit, scopes = ApiClient.Scopes });
        return await made.ReadAsync<NewKey>(HttpStatusCode.Created);
    }

    private static Task<NewKey> NewKeyAsync(SignedInUser user, long? limit = null, long? dailyLimit = null) =>
        NewKeyAsync(user.Client, limit, dailyLimit);

    private static async Task<List<Spending>> SpendingAsync(HttpClient client)
    {
        using var response = await client.ReadAsync("/api/tokens/keys");
        return await response.ReadAsync<List<Spending>>(HttpStatusCode.OK);
    }

    private static Task<HttpResponseMessage> SendAsync(
        HttpClient client, HttpMethod method, string path, object? body = null)
    {
        var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        return client.SendAsync(request, CancellationToken).WaitAsync(Patience, CancellationToken);
    }

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        patience.CancelAfter(Patience);
        while (!await isSo())
        {
            await Task.Delay(100, patience.Token);
        }
    }

    private HttpClient ClientOf(NewKey key)
    {
        var client = system.CreateClient();
        client.DefaultRequestHeaders.Authorization = new("Bearer", key.Key);
        return client;
    }

    private sealed record NewKey(long Id, string Key);

    private sealed record Spending(long Key, long Total, long Today);

    private sealed record Entry(string Kind, long? Key);
}
