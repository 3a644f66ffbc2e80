using System.Net;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>What users see of themselves, and how they change their password.</summary>
public sealed class AccountTests(IdentityFixture identity)
{
    private const string NewPassword = "another password";

    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Me_OfAUser_IsWhoTheyAre()
    {
        var before = DateTime.UtcNow.AddMinutes(-1);
        var name = IdentityApi.NewName() + "-Upper";
        using var registered = await _client.RegisterAsync(name);
        var tokens = await _client.LogInAsync(name.ToLowerInvariant());
        using var response = await _client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        var me = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal(["id", "username", "roles", "created"], me.EnumerateObject().Select(field => field.Name));
        Assert.Equal(tokens.Claims.GetProperty("sub").GetString(), me.GetProperty("id").GetRawText());
        Assert.Equal(name, me.GetProperty("username").GetString());
        Assert.Empty(me.GetProperty("roles").EnumerateArray());
        Assert.EndsWith("Z", me.GetProperty("created").GetString(), StringComparison.Ordinal);
        Assert.InRange(me.GetProperty("created").GetDateTime(), before, DateTime.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task Me_OfAnAdmin_NamesTheRole()
    {
        var tokens = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        using var response = await _client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        var me = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal("admin", Assert.Single(me.GetProperty("roles").EnumerateArray()).GetString());
    }

    [Theory]
    [InlineData("GET", "/api/me")]
    [InlineData("DELETE", "/api/me")]
    [InlineData("POST", "/api/password")]
    public async Task Call_WithoutAUsersToken_Is401Or403(string method, string path)
    {
        var user = await _client.NewUserAsync();
        using var issued = await _client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "chat"), ("client_secret", IdentityServer.ChatSecret));
        var service = await issued.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        var changed = user.Access[..^10] + (user.Access[^10] == 'A' ? 'B' : 'A') + user.Access[^9..];
        foreach (var (token, expected) in new[]
        {
            (null, HttpStatusCode.Unauthorized), ("nonsense", HttpStatusCode.Unauthorized),
            (user.Refresh, HttpStatusCode.Unauthorized), (changed, HttpStatusCode.Unauthorized),
            (service.Access, HttpStatusCode.Forbidden),
        })
        {
            using var response = await _client.CallAsync(
                new HttpMethod(method), path, token, new { password = "p", old = "p", @new = NewPassword });
            await response.ProblemAsync(expected);
        }
    }

    [Fact]
    public async Task PasswordChange_WithTheOldOne_EndsAllLoginsAndTheOldPassword()
    {
        var name = await _client.NewNameAsync();
        var one = await _client.LogInAsync(name);
        var other = await _client.LogInAsync(name);
        var stranger = await _client.NewUserAsync();
        Assert.False(one.Claims.TryGetProperty("security_stamp", out _), "The stamp is nobody else's business.");
        using var changed = await ChangeAsync(one.Access, IdentityApi.Password, NewPassword);
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);

        foreach (var tokens in new[] { one, other })
        {
            using var refreshed = await _client.RefreshAsync(tokens.Refresh);
            await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        using var old = await _client.TryLogInAsync(name, IdentityApi.Password);
        await old.ProblemAsync(HttpStatusCode.Unauthorized);
        var anew = await _client.LogInAsync(name, NewPassword);
        foreach (var tokens in new[] { anew, stranger })
        {
            using var refreshed = await _client.RefreshAsync(tokens.Refresh);
            await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task PasswordChange_WithAWrongOldOne_ChangesNothingAndCountsLikeAFailedLogin()
    {
        await using var service = new IdentityServer(identity.ConnectionString, clock: new StoppedClock());
        await service.StartAsync();
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var name = await client.NewNameAsync();
        var tokens = await client.LogInAsync(name);
        for (var n = 0; n < 3; n++)
        {
            using var wrong = await ChangeAsync(tokens.Access, "a wrong password", NewPassword, client);
            await wrong.ProblemAsync(HttpStatusCode.BadRequest);
        }

        using var refreshed = await client.RefreshAsync(tokens.Refresh);
        await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        for (var n = 0; n < 2; n++)
        {
            using var wrong = await client.TryLogInAsync(name);
            await wrong.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        // Five of them in a row: the right one is not looked at either.
        using var locked = await ChangeAsync(tokens.Access, IdentityApi.Password, NewPassword, client);
        await locked.ProblemAsync(HttpStatusCode.TooManyRequests);
        Assert.NotNull(locked.Headers.RetryAfter?.Delta);
    }

    [Theory]
    [InlineData("correct horse battery", "1234567")]
    [InlineData("correct horse battery", "password")]
    [InlineData("correct horse battery", "")]
    [InlineData("correct horse battery", null)]
    [InlineData("", NewPassword)]
    [InlineData(null, NewPassword)]
    public async Task PasswordChange_ThatDoesNotFit_Is400AndChangesNothing(string? old, string? @new)
    {
        var name = await _client.NewNameAsync();
        var tokens = await _client.LogInAsync(name);
        using var refused = await ChangeAsync(tokens.Access, old, @new);
        await refused.ProblemAsync(HttpStatusCode.BadRequest);
        using var isName = await ChangeAsync(tokens.Access, IdentityApi.Password, name);
        await isName.ProblemAsync(HttpStatusCode.BadRequest);
        await _client.LogInAsync(name);
    }

    [Fact]
    public async Task PasswordChanges_AtOnce_SucceedOnce()
    {
        var name = await _client.NewNameAsync();
        var tokens = await _client.LogInAsync(name);
        var passwords = Enumerable.Range(0, 4).Select(n => $"{NewPassword} {n}").ToList();
        var responses = await Task.WhenAll(passwords.Select(
            password => ChangeAsync(tokens.Access, IdentityApi.Password, password)));
        var (_, password) = Assert.Single(
            responses.Zip(passwords), each => each.First.StatusCode == HttpStatusCode.NoContent);
        Assert.Equal(3, responses.Count(response => response.StatusCode == HttpStatusCode.BadRequest));
        await _client.LogInAsync(name, password);
    }

    [Fact]
    public async Task Login_ThatRunsWhileThePasswordChanges_DoesNotOutliveTheChange()
    {
        var hasher = new CountingHasher();
        await using var replica = new IdentityServer(identity.ConnectionString, change: hasher.Use);
        await replica.StartAsync();
        using var other = replica.CreateClientAt(IdentityApi.NewAddress());
        var name = await _client.NewNameAsync();
        var tokens = await _client.LogInAsync(name);
        var verified = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var release = new ManualResetEventSlim();
        hasher.Hold = () =>
        {
            verified.TrySetResult();
            release.Wait(CancellationToken);
        };
        var late = other.TryLogInAsync(name, IdentityApi.Password);
        try
        {
            await verified.Task.Soon();
            using var changed = await ChangeAsync(tokens.Access, IdentityApi.Password, NewPassword);
            Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        }
        finally
        {
            release.Set();
        }

        using var refused = await late;
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    private Task<HttpResponseMessage> ChangeAsync(
        string access, string? old, string? @new, HttpClient? client = null) =>
        (client ?? _client).CallAsync(HttpMethod.Post, "/api/password", access, new { old, @new });
}
