using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>Users make, name, list, limit and revoke API keys. Two replicas: what one does, the other knows.</summary>
public sealed class ApiKeyTests(IdentityFixture identity)
{
    private const string Path = "/api/keys";
    private const string TooLarge = "9007199254740992"; // 2^53

    private static readonly string[] s_scopes = ["history", "tokens"];
    private static readonly string[] s_models = ["mock", "acme/small"];

    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());
    private readonly HttpClient _replica = identity.Strict.CreateClientAt(IdentityApi.NewAddress());

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Key_WithScopesAndAnEnd_HasThemInItsTokensUntilThen()
    {
        var clock = new TestClock();
        await using var service = new IdentityServer(identity.ConnectionString, clock: clock);
        await service.StartAsync();
        using var client = service.CreateClient();
        var user = await client.NewUserAsync();
        var end = DateTimeOffset.UtcNow.AddSeconds(3630);
        using var made = await client.CallAsync(
            HttpMethod.Post, Path, user.Access, new { name = "a key", scopes = s_scopes, expires = end });
        var key = await made.ReadAsync<NewKey>(HttpStatusCode.Created);
        Assert.Equal(JsonValueKind.Null, (await ListedAsync(client, user)).GetProperty("last_used").ValueKind);
        using var exchanged = await client.ExchangeAsync(key.Key);
        var claims = Jwt.Read((await exchanged.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access).Claims;
        Assert.Equal("history tokens", claims.GetProperty("key_scopes").GetString());
        Assert.Equal(JsonValueKind.String, (await ListedAsync(client, user)).GetProperty("last_used").ValueKind);

        clock.Ahead = TimeSpan.FromHours(1); // Its last half a minute.
        using var last = await client.ExchangeAsync(key.Key);
        Assert.InRange((await last.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).ExpiresIn, 1, 30);
        clock.Ahead += TimeSpan.FromSeconds(31);
        using var late = await client.ExchangeAsync(key.Key);
        Assert.Equal("invalid_grant", await late.OAuthErrorAsync());

        user = await client.LogInAsync(user.Claims.GetProperty("name").GetString()!);
        using var longer = await client.CallAsync(
            HttpMethod.Patch, $"{Path}/{key.Id}", user.Access,
            new { expires = (string?)null, scopes = (string[]?)null });
        Assert.Equal(HttpStatusCode.OK, longer.StatusCode);
        using var again = await client.ExchangeAsync(key.Key);
        claims = Jwt.Read((await again.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access).Claims;
        Assert.Equal("chat", claims.GetProperty("key_scopes").GetString());
    }

    [Theory]
    [InlineData("""{"name":"a key","scopes":[]}""")]
    [InlineData("""{"name":"a key","scopes":["everything"]}""")]
    [InlineData("""{"name":"a key","scopes":["chat","chat"]}""")]
    [InlineData("""{"name":"a key","expires":"2020-01-01T00:00:00Z"}""")]
    [InlineData("""{"name":"a key","expires":"tomorrow"}""")]
    public async Task Key_WithScopesOrAnEndThatAreNone_Is400(string body)
    {
        var user = await _client.NewUserAsync();
        using var refused = await _client.CallAsync(
            HttpMethod.Post, Path, user.Access, JsonSerializer.Deserialize<JsonElement>(body));
        await refused.ProblemAsync(HttpStatusCode.BadRequest);
    }

    private static async Task<JsonElement> ListedAsync(HttpClient client, LoginAnswer user)
    {
        using var listed = await client.CallAsync(HttpMethod.Get, Path, user.Access);
        return Assert.Single((await listed.ReadAsync<JsonElement>(HttpStatusCode.OK)).EnumerateArray());
    }

    [Fact]
    public async Task Key_MadeAndListed_IsShownOnceAndStoredHashed()
    {
        var user = await _client.NewUserAsync();
        using var made = await _client.CallAsync(
            HttpMethod.Post, Path, user.Access, new
            {
                name = "my client 🔑",
                limit = 1000,
                daily_limit = 100,
                monthly_limit = 500,
                models = s_models,
            });
        var key = await made.ReadAsync<JsonElement>(HttpStatusCode.Created);
        Assert.True(made.Headers.CacheControl?.NoStore);
        var secret = key.GetProperty("key").GetString()!;
        Assert.Matches("^ac_[A-Za-z0-9_-]{43}$", secret);
        Assert.Equal(secret[..9], key.GetProperty("start").GetString());
        Assert.Equal(
            [
                "id", "name", "key", "start", "limit", "daily_limit", "monthly_limit", "models", "scopes", "created",
                "expires",
            ],
            key.EnumerateObject().Select(property => property.Name));

        using var listed = await _replica.CallAsync(HttpMethod.Get, Path, user.Access);
        var text = await listed.Content.ReadAsStringAsync(CancellationToken).Soon();
        Assert.DoesNotContain(secret[9..], text, StringComparison.Ordinal);
        var shown = Assert.Single(JsonSerializer.Deserialize<JsonElement>(text).EnumerateArray());
        Assert.Equal(
            [
                "id", "name", "start", "limit", "daily_limit", "monthly_limit", "models", "scopes", "created",
                "expires", "last_used",
            ],
            shown.EnumerateObject().Select(property => property.Name));
        Assert.Equal(
            ("my client 🔑", 1000, 100),
            (shown.GetProperty("name").GetString(), shown.GetProperty("limit").GetInt64(),
                shown.GetProperty("daily_limit").GetInt64()));
        Assert.Equal(500, shown.GetProperty("monthly_limit").GetInt64());
        Assert.Equal("chat", Assert.Single(shown.GetProperty("scopes").EnumerateArray()).GetString());
        Assert.Equal("""["mock","acme/small"]""", shown.GetProperty("models").GetRawText());

        await using var scope = identity.Lenient.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        var id = key.GetProperty("id").GetInt64();
        var rows = await db.Database.SqlQuery<string>($"SELECT api_keys::text FROM api_keys WHERE id = {id}")
            .ToListAsync(CancellationToken).Soon();
        var row = Assert.Single(rows);
        Assert.DoesNotContain(secret[9..], row, StringComparison.Ordinal);
        Assert.Contains(
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret))), row, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_OfAUser_AreListedNewestFirstWithoutRevokedOnes()
    {
        var user = await _client.NewUserAsync();
        var keys = new List<NewKey>();
        foreach (var name in new[] { "one", "two", "three" })
        {
            keys.Add(await _client.NewKeyAsync(user.Access, name));
        }

        using var revoked = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{keys[1].Id}", user.Access);
        Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        Assert.Equal(["three", "one"], (await ListAsync(_replica, user)).Select(key => key.Name));
        foreach (var (method, body) in new[] { (HttpMethod.Delete, null), (HttpMethod.Patch, new { name = "new" }) })
        {
            using var gone = await _client.CallAsync(method, $"{Path}/{keys[1].Id}", user.Access, body);
            await gone.ProblemAsync(HttpStatusCode.NotFound);
        }
    }

    [Theory]
    [InlineData("""{"name":"new"}""", "new", 10L, 5L)]
    [InlineData("""{"limit":null}""", "old", null, 5L)]
    [InlineData("""{"limit":20,"daily_limit":null}""", "old", 20L, null)]
    [InlineData("""{"daily_limit":0}""", "old", 10L, 0L)]
    [InlineData("""{}""", "old", 10L, 5L)]
    public async Task Key_Changed_HasWhatWasSentAndKeepsTheRest(string body, string name, long? limit, long? daily)
    {
        var user = await _client.NewUserAsync();
        var key = await _client.NewKeyAsync(user.Access, "old", 10, 5);
        using var changed = await SendAsync(HttpMethod.Patch, $"{Path}/{key.Id}", user, body);
        var answer = await changed.ReadAsync<ListedKey>(HttpStatusCode.OK);
        Assert.Equal((name, limit, daily), (answer.Name, answer.Limit, answer.DailyLimit));
        Assert.Equal(answer, Assert.Single(await ListAsync(_replica, user)));
    }

    [Theory]
    [InlineData("""{"monthly_limit":7}""", 7L, """["mock"]""")]
    [InlineData("""{"models":["a","b"]}""", 5L, """["a","b"]""")]
    [InlineData("""{"models":null,"monthly_limit":null}""", null, "null")]
    [InlineData("""{"name":"new"}""", 5L, """["mock"]""")]
    public async Task Key_Changed_HasTheMonthlyLimitAndModelsThatWereSent(string body, long? monthly, string models)
    {
        var user = await _client.NewUserAsync();
        using var made = await SendAsync(
            HttpMethod.Post, Path, user, """{"name":"old","monthly_limit":5,"models":["mock"]}""");
        var key = await made.ReadAsync<NewKey>(HttpStatusCode.Created);
        using var changed = await SendAsync(HttpMethod.Patch, $"{Path}/{key.Id}", user, body);
        var answer = await changed.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal(monthly, answer.GetProperty("monthly_limit").Deserialize<long?>());
        Assert.Equal(models, answer.GetProperty("models").GetRawText());
    }

    [Theory]
    [InlineData("""{"name":"x","models":[]}""")]
    [InlineData("""{"name":"x","models":["a b"]}""")]
    [InlineData("""{"name":"x","models":[""]}""")]
    [InlineData("""{"name":"x","models":[null]}""")]
    [InlineData("""{"name":"x","models":"mock"}""")]
    [InlineData("""{"name":"x","monthly_limit":-1}""")]
    [InlineData("""{"name":""}""")]
    [InlineData("""{"name":"  "}""")]
    [InlineData("""{"name":null}""")]
    [InlineData("""{"name":"a\u0000b"}""")]
    [InlineData("""{"name":"a\nb"}""")]
    [InlineData("""{"name":7}""")]
    [InlineData("""{"name":"\ud800"}""")]
    [InlineData("""{"name":"x","limit":-1}""")]
    [InlineData("""{"name":"x","limit":1.5}""")]
    [InlineData("""{"name":"x","limit":"7"}""")]
    [InlineData($$"""{"name":"x","daily_limit":{{TooLarge}}}""")]
    [InlineData("""{"name":"x","daily_limit":99999999999999999999}""")]
    [InlineData("101 characters")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Body_ThatDoesNotFit_Is400AndMakesAndChangesNothing(string body)
    {
        body = body == "101 characters" ? $$"""{"name":"{{new string('n', 101)}}"}""" : body;
        var user = await _client.NewUserAsync();
        var key = await _client.NewKeyAsync(user.Access, "old");
        using var made = await SendAsync(HttpMethod.Post, Path, user, body);
        await made.ProblemAsync(HttpStatusCode.BadRequest);
        using var changed = await SendAsync(HttpMethod.Patch, $"{Path}/{key.Id}", user, body);
        await changed.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Equal("old", Assert.Single(await ListAsync(_client, user)).Name);
    }

    [Theory]
    [InlineData("'; DROP TABLE api_keys; --")]
    [InlineData("‮ñ 漢字 🂡")]
    [InlineData("<script>alert(1)</script>")]
    public async Task Name_OfAnyText_IsKeptAsItIs(string name)
    {
        var user = await _client.NewUserAsync();
        await _client.NewKeyAsync(user.Access, name);
        Assert.Equal(name, Assert.Single(await ListAsync(_client, user)).Name);
    }

    [Fact]
    public async Task Key_OfAnotherUser_IsNotThere()
    {
        var (owner, other) = (await _client.NewUserAsync(), await _client.NewUserAsync());
        var key = await _client.NewKeyAsync(owner.Access);
        Assert.Empty(await ListAsync(_client, other));
        using var changed = await _client.CallAsync(
            HttpMethod.Patch, $"{Path}/{key.Id}", other.Access, new { name = "taken" });
        await changed.ProblemAsync(HttpStatusCode.NotFound);
        using var revoked = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{key.Id}", other.Access);
        await revoked.ProblemAsync(HttpStatusCode.NotFound);
        Assert.Equal("a key", Assert.Single(await ListAsync(_client, owner)).Name);
    }

    [Theory]
    [InlineData("/0")]
    [InlineData("/-1")]
    [InlineData("/99999999999999999999")]
    [InlineData("/1;DROP TABLE api_keys")]
    public async Task Number_OfNoKey_Is404(string id)
    {
        var user = await _client.NewUserAsync();
        using var revoked = await _client.CallAsync(HttpMethod.Delete, Path + id, user.Access);
        await revoked.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Keys_60MadeAtOnceOnTwoReplicas_Are50()
    {
        var user = await _client.NewUserAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(n =>
            (n % 2 == 0 ? _client : _replica).CallAsync(HttpMethod.Post, Path, user.Access, new { name = $"{n}" })));
        Assert.Equal(50, answers.Count(answer => answer.StatusCode == HttpStatusCode.Created));
        foreach (var refused in answers.Where(answer => answer.StatusCode != HttpStatusCode.Created))
        {
            await refused.ProblemAsync(HttpStatusCode.Conflict);
        }

        var keys = await ListAsync(_client, user);
        Assert.Equal(50, keys.Count);
        using var revoked = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{keys[0].Id}", user.Access);
        await _client.NewKeyAsync(user.Access);
    }

    [Theory]
    [InlineData("POST", "")]
    [InlineData("GET", "")]
    [InlineData("PATCH", "/1")]
    [InlineData("DELETE", "/1")]
    public async Task Call_WithoutAToken_Is401(string method, string path)
    {
        using var refused = await _client.CallAsync(new(method), Path + path, access: null, new { name = "x" });
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Keys_OfAUserWhoHasLeft_AreGoneAndCannotBeMade()
    {
        await using var others = await OtherServices.StartAsync(identity.Lenient);
        await using var service = new IdentityServer(identity.ConnectionString, new()
        {
            ["services:ledger:http:0"] = others.Address,
            ["services:chat:http:0"] = others.Address,
        });
        await service.StartAsync();
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var user = await client.NewUserAsync();
        var key = await client.NewKeyAsync(user.Access);
        using var left = await client.CallAsync(
            HttpMethod.Delete, "/api/me", user.Access, new { password = IdentityApi.Password });
        Assert.Equal(HttpStatusCode.NoContent, left.StatusCode);

        using var exchanged = await _client.ExchangeAsync(key.Key);
        Assert.Equal("invalid_grant", await exchanged.OAuthErrorAsync());
        await using var scope = service.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        Assert.False(await db.ApiKeys.AnyAsync(each => each.Id == key.Id, CancellationToken).Soon());
        using var made = await _client.CallAsync(HttpMethod.Post, Path, user.Access, new { name = "late" });
        await made.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    private static Task<HttpResponseMessage> SendAsync(
        HttpClient client, HttpMethod method, string path, LoginAnswer user, string body)
    {
        var request = new HttpRequestMessage(method, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", user.Access);
        return client.SendAsync(request, CancellationToken).Soon();
    }

    private static async Task<List<ListedKey>> ListAsync(HttpClient client, LoginAnswer user)
    {
        using var listed = await client.CallAsync(HttpMethod.Get, Path, user.Access);
        return await listed.ReadAsync<List<ListedKey>>(HttpStatusCode.OK);
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, LoginAnswer user, string body) =>
        SendAsync(_client, method, path, user, body);
}
