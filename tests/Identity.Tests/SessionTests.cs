using System.Net;
using System.Text;

namespace Identity.Tests;

/// <summary>Users see where they are logged in, and end what they like.</summary>
public sealed class SessionTests(IdentityFixture identity)
{
    private const string Path = "/api/sessions";

    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());

    [Fact]
    public async Task Sessions_OfAUser_AreListedAndEndedOneByOne()
    {
        var name = await _client.NewNameAsync();
        var address = IdentityApi.NewAddress();
        using var phone = identity.Lenient.CreateClientAt(address);
        phone.DefaultRequestHeaders.UserAgent.ParseAdd("Phone/1.0");
        var (here, there) = (await _client.LogInAsync(name), await phone.LogInAsync(name));

        var listed = await ListAsync(here);
        Assert.Equal(2, listed.Count);
        var (other, own) = (listed[0], listed[1]); // The one that was used last first.
        Assert.Equal(("Phone/1.0", address, false), (other.Client, other.Address, other.Current));
        Assert.True(own.Current);
        Assert.Equal(here.Claims.GetProperty("sid").GetString(), $"{own.Id}");

        using (var ended = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{other.Id}", here.Access))
        {
            Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        }

        using var refused = await phone.RefreshAsync(there.Refresh);
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.True(await _client.IsEndedAsync(there));
        Assert.False(await _client.IsEndedAsync(here));
        Assert.Equal(own.Id, Assert.Single(await ListAsync(here)).Id);
        using var again = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{other.Id}", here.Access);
        Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
    }

    [Fact]
    public async Task Sessions_EndedAllTogether_AreAllOver()
    {
        var name = await _client.NewNameAsync();
        var logins = new[] { await _client.LogInAsync(name), await _client.LogInAsync(name) };
        using var ended = await _client.CallAsync(HttpMethod.Delete, Path, logins[0].Access);
        Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        foreach (var login in logins)
        {
            using var refused = await _client.RefreshAsync(login.Refresh);
            await refused.ProblemAsync(HttpStatusCode.Unauthorized);
            Assert.True(await _client.IsEndedAsync(login));
        }

        Assert.False(await _client.IsEndedAsync(await _client.LogInAsync(name)));
    }

    /// <summary>A description is cut off, and not in the middle of a character.</summary>
    [Fact]
    public async Task Client_WithALongDescription_IsShownWithItsBeginning()
    {
        var name = await _client.NewNameAsync();
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 };
        using var client = new HttpClient(handler) { BaseAddress = _client.BaseAddress };
        client.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", new string('a', 199) + "😀");
        var login = await client.LogInAsync(name);
        Assert.Equal(199, Assert.Single(await ListAsync(login)).Client!.Length);
    }

    [Fact]
    public async Task Session_OfAnother_Is404AndLivesOn()
    {
        var (one, other) = (await _client.NewUserAsync(), await _client.NewUserAsync());
        var id = other.Claims.GetProperty("sid").GetString();
        using var refused = await _client.CallAsync(HttpMethod.Delete, $"{Path}/{id}", one.Access);
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
        using var refreshed = await _client.RefreshAsync(other.Refresh);
        Assert.Equal(HttpStatusCode.OK, refreshed.StatusCode);
    }

    [Fact]
    public async Task LogOut_AndANewPassword_AreHeardByTheGateways()
    {
        var name = await _client.NewNameAsync();
        var (first, second) = (await _client.LogInAsync(name), await _client.LogInAsync(name));
        using var loggedOut = await _client.LogOutAsync(first.Refresh);
        Assert.Equal(HttpStatusCode.NoContent, loggedOut.StatusCode);
        Assert.True(await _client.IsEndedAsync(first));
        Assert.False(await _client.IsEndedAsync(second));
        using var changed = await _client.CallAsync(
            HttpMethod.Post, "/api/password", second.Access,
            new { old = IdentityApi.Password, @new = "another horse battery" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        Assert.True(await _client.IsEndedAsync(second));
    }

    [Fact]
    public async Task Session_HoweverOftenItIsRefreshed_EndsAfterItsTime()
    {
        var clock = new TestClock();
        await using var service = new IdentityServer(
            identity.ConnectionString, new() { ["Auth:SessionLifetime"] = "2.00:00:00" }, clock);
        await service.StartAsync();
        using var client = service.CreateClient();
        var login = await client.NewUserAsync();
        for (var hour = 23; hour < 48; hour += 23)
        {
            clock.Ahead = TimeSpan.FromHours(hour);
            using var refreshed = await client.RefreshAsync(login.Refresh);
            login = await refreshed.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        }

        clock.Ahead = TimeSpan.FromHours(49);
        using var refused = await client.RefreshAsync(login.Refresh);
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task EndedSessions_ForOthersThanServices_AreRefused()
    {
        var user = await _client.NewUserAsync();
        using var refused = await _client.CallAsync(HttpMethod.Get, "/sessions/ended", user.Access);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        using var key = await _client.ExchangeAsync((await _client.NewKeyAsync(user.Access)).Key);
        var token = await key.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        using var list = await _client.CallAsync(HttpMethod.Get, Path, token.Access);
        Assert.Equal(HttpStatusCode.Forbidden, list.StatusCode);
    }

    private async Task<List<Listed>> ListAsync(LoginAnswer login)
    {
        using var response = await _client.CallAsync(HttpMethod.Get, Path, login.Access);
        return await response.ReadAsync<List<Listed>>(HttpStatusCode.OK);
    }

    private sealed record Listed(long Id, string? Address, string? Client, bool Current);
}
