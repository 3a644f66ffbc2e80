using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>A key gives a token for a minute, which can do what a client needs and nothing to the account.</summary>
public sealed class ApiKeyGrantTests(IdentityFixture identity)
{
    private static readonly string[] s_models = ["mock", "acme/small"];

    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());
    private readonly HttpClient _replica = identity.Strict.CreateClientAt(IdentityApi.NewAddress());

    [Fact]
    public async Task Key_Exchanged_GivesAnAccessTokenOfAMinuteAndNothingElse()
    {
        var name = await _client.NewNameAsync();
        var user = await _client.LogInAsync(name);
        var key = await _client.NewKeyAsync(user.Access, limit: 1000, dailyLimit: 0);
        using var exchanged = await _replica.ExchangeAsync(key.Key);
        var answer = await exchanged.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        Assert.Null(answer.Refresh);
        Assert.InRange(answer.ExpiresIn, 50, 60);
        var claims = Jwt.Read(answer.Access).Claims;
        Assert.Equal(user.Claims.GetProperty("sub").GetString(), claims.GetProperty("sub").GetString());
        Assert.Equal(name, claims.GetProperty("name").GetString());
        Assert.Equal("api", claims.GetProperty("scope").GetString());
        Assert.Equal(60, claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64());
        Assert.Equal(
            (key.Id, 1000, 0),
            (Number(claims, "key"), Number(claims, "key_limit"), Number(claims, "key_daily_limit")));
    }

    [Fact]
    public async Task Key_WithAMonthlyLimitAndModels_SaysSoInItsToken()
    {
        var user = await _client.NewUserAsync();
        using var made = await _client.CallAsync(
            HttpMethod.Post, "/api/keys", user.Access,
            new { name = "a key", monthly_limit = 9, models = s_models });
        var key = await made.ReadAsync<NewKey>(HttpStatusCode.Created);
        using var exchanged = await _replica.ExchangeAsync(key.Key);
        var claims = Jwt.Read((await exchanged.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access).Claims;
        Assert.Equal(9, Number(claims, "key_monthly_limit"));
        Assert.Equal("mock acme/small", claims.GetProperty("key_models").GetString());
    }

    [Fact]
    public async Task Key_OfAnAdmin_GivesNoRoleAndWithoutLimitsNone()
    {
        var admin = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        var key = await _client.NewKeyAsync(admin.Access);
        using var exchanged = await _client.ExchangeAsync(key.Key);
        var claims = Jwt.Read((await exchanged.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access).Claims;
        foreach (var none in new[]
        {
            "role", "key_limit", "key_daily_limit", "key_monthly_limit", "key_models", "security_stamp",
        })
        {
            Assert.False(claims.TryGetProperty(none, out _), $"It has {none}.");
        }
    }

    [Fact]
    public async Task Key_Revoked_GivesNoTokenOnAnyReplica()
    {
        var user = await _client.NewUserAsync();
        var (key, kept) = (await _client.NewKeyAsync(user.Access), await _client.NewKeyAsync(user.Access));
        using var revoked = await _client.CallAsync(HttpMethod.Delete, $"/api/keys/{key.Id}", user.Access);
        foreach (var replica in new[] { _client, _replica })
        {
            using var refused = await replica.ExchangeAsync(key.Key);
            Assert.Equal("invalid_grant", await refused.OAuthErrorAsync());
            using var other = await replica.ExchangeAsync(kept.Key);
            Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        }
    }

    [Fact]
    public async Task Key_AfterAPasswordChange_WorksOn()
    {
        var user = await _client.NewUserAsync();
        var key = await _client.NewKeyAsync(user.Access);
        using var changed = await _client.CallAsync(
            HttpMethod.Post, "/api/password", user.Access,
            new { old = IdentityApi.Password, @new = "another password" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        using var exchanged = await _client.ExchangeAsync(key.Key);
        Assert.Equal(HttpStatusCode.OK, exchanged.StatusCode);
    }

    public static TheoryData<string> BadKeys() =>
    [
        "", "ac_", "nonsense", $"ac_{new string('A', 43)}", $"ac_{new string('A', 42)}", $"AC_{new string('A', 43)}",
        $"ac_{new string('ä', 43)}", $"ac_{new string('A', 100_000)}", "' OR 1=1 --", "ac_' OR ''='", "🔑", "\0",
    ];

    [Theory]
    [MemberData(nameof(BadKeys))]
    public async Task Text_ThatIsNoKey_GivesNoToken(string key)
    {
        using var refused = await _client.ExchangeAsync(key);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        if (key != "\0")
        {
            Assert.Equal("invalid_grant", await refused.OAuthErrorAsync());
        }
    }

    [Fact]
    public async Task Key_AtOtherEndpointsAndGrants_GivesNoToken()
    {
        var user = await _client.NewUserAsync();
        var key = await _client.NewKeyAsync(user.Access);
        using var refreshed = await _client.RefreshAsync(key.Key);
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        using var smuggled = await _client.PostAsync(
            "/api/login", JsonContent.Create(new { grant_type = "urn:aspirechat:api-key", key = key.Key }),
            TestContext.Current.CancellationToken).Soon();
        await smuggled.ProblemAsync(HttpStatusCode.BadRequest);
        using var client = await _client.OAuthAsync(
            ("grant_type", "urn:aspirechat:api-key"), ("assertion", key.Key), ("client_id", "chat"),
            ("client_secret", IdentityServer.ChatSecret));
        Assert.Equal("unauthorized_client", await client.OAuthErrorAsync());
        using var missing = await _client.OAuthAsync(("grant_type", "urn:aspirechat:api-key"));
        Assert.Equal("invalid_grant", await missing.OAuthErrorAsync());
        using var direct = await _client.CallAsync(HttpMethod.Get, "/api/me", key.Key);
        await direct.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("POST", "/api/keys", """{"name":"another"}""")]
    [InlineData("GET", "/api/keys", null)]
    [InlineData("PATCH", "/api/keys/{id}", """{"limit":null}""")]
    [InlineData("DELETE", "/api/keys/{id}", null)]
    [InlineData("POST", "/api/password", """{"old":"correct horse battery","new":"another password"}""")]
    [InlineData("DELETE", "/api/me", """{"password":"correct horse battery"}""")]
    public async Task Token_OfAKey_DoesNotManageTheAccount(string method, string path, string? body)
    {
        var name = await _client.NewNameAsync();
        var user = await _client.LogInAsync(name);
        var key = await _client.NewKeyAsync(user.Access, limit: 10);
        using var exchanged = await _client.ExchangeAsync(key.Key);
        var access = (await exchanged.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access;

        using var refused = await _client.CallAsync(
            new(method), path.Replace("{id}", $"{key.Id}", StringComparison.Ordinal), access,
            body is null ? null : JsonSerializer.Deserialize<JsonElement>(body));
        await refused.ProblemAsync(HttpStatusCode.Forbidden);

        using var me = await _client.CallAsync(HttpMethod.Get, "/api/me", access);
        Assert.Equal(HttpStatusCode.OK, me.StatusCode);
        await _client.LogInAsync(name);
        using var listed = await _client.CallAsync(HttpMethod.Get, "/api/keys", user.Access);
        Assert.Equal(10, Assert.Single(await listed.ReadAsync<List<ListedKey>>(HttpStatusCode.OK)).Limit);
    }

    private static long Number(JsonElement claims, string name) =>
        claims.GetProperty(name) is { ValueKind: JsonValueKind.Number } number ? number.GetInt64() : -1;
}
