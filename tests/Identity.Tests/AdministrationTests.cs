using System.Globalization;
using System.Net;
using System.Text.Json;
using Npgsql;

namespace Identity.Tests;

/// <summary>What administrators do with users, and what is written about it.</summary>
public sealed class AdministrationTests(IdentityFixture identity)
{
    private const string Users = "/api/admin/users";

    private readonly HttpClient _client = identity.Lenient.CreateClientAt(IdentityApi.NewAddress());

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Users_AreFoundByAPartOfTheirNamesPageByPage()
    {
        var part = Guid.NewGuid().ToString("N");
        for (var n = 0; n < 3; n++)
        {
            using var registered = await _client.RegisterAsync($"u{n}-{part}-x");
        }

        var path = $"{Users}?search={part.ToUpperInvariant()}&limit=2";
        var names = new List<string>();
        for (var page = 0; page < 2; page++)
        {
            using var listed = await AdminAsync(HttpMethod.Get, path);
            var users = await listed.ReadAsync<JsonElement>(HttpStatusCode.OK);
            names.AddRange(users.EnumerateArray().Select(user => user.GetProperty("username").GetString()!));
            var link = page == 0 ? Assert.Single(listed.Headers.GetValues("Link")) : null;
            Assert.Equal(page == 1, !listed.Headers.Contains("Link"));
            path = link?.Split('<', '>')[1] ?? path;
        }

        Assert.Equal([$"u0-{part}-x", $"u1-{part}-x", $"u2-{part}-x"], names);
        using var none = await AdminAsync(HttpMethod.Get, $"{Users}?search=%25");
        Assert.Empty((await none.ReadAsync<JsonElement>(HttpStatusCode.OK)).EnumerateArray());
        using var admins = await AdminAsync(HttpMethod.Get, $"{Users}?search=admin&limit=1");
        Assert.Contains("\"roles\":[\"admin\"]", await admins.Content.ReadAsStringAsync(CancellationToken));
        using var nobody = await AdminAsync(HttpMethod.Get, $"{Users}/{long.MaxValue}");
        Assert.Equal(HttpStatusCode.NotFound, nobody.StatusCode);
    }

    [Fact]
    public async Task UserWhoIsDisabled_CanDoNothingUntilEnabled()
    {
        var name = await _client.NewNameAsync();
        var login = await _client.LogInAsync(name);
        var id = IdOf(login);
        var key = await _client.NewKeyAsync(login.Access);
        await ChangeAsync(id, new { disabled = true });

        using var right = await _client.TryLogInAsync(name, IdentityApi.Password);
        Assert.Contains("disabled", await right.ProblemAsync(HttpStatusCode.Forbidden), StringComparison.Ordinal);
        using var wrong = await _client.TryLogInAsync(name); // Of whom the password is not known, nothing is said.
        await wrong.ProblemAsync(HttpStatusCode.Unauthorized);
        using var refreshed = await _client.RefreshAsync(login.Refresh);
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        Assert.True(await _client.IsEndedAsync(login));
        using var exchanged = await _client.ExchangeAsync(key.Key);
        Assert.Equal("invalid_grant", await exchanged.OAuthErrorAsync());

        await ChangeAsync(id, new { disabled = false });
        var again = await _client.LogInAsync(name);
        Assert.False(await _client.IsEndedAsync(again));
        using var back = await _client.ExchangeAsync(key.Key);
        Assert.Equal(HttpStatusCode.OK, back.StatusCode);
        Assert.Equal(
            ["user_enabled", "user_disabled", "key_created", "user_registered"],
            (await AuditAsync($"user={id}")).Select(entry => entry.Action));
    }

    /// <summary>The password was found right before, and the session would begin after.</summary>
    [Fact]
    public async Task UserWhoIsDisabledWhileLoggingIn_GetsNoSession()
    {
        var hasher = new CountingHasher();
        await using var replica = new IdentityServer(identity.ConnectionString, change: hasher.Use);
        await replica.StartAsync();
        using var other = replica.CreateClientAt(IdentityApi.NewAddress());
        var name = await _client.NewNameAsync();
        var id = IdOf(await _client.LogInAsync(name));
        var verified = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var release = new ManualResetEventSlim();
        hasher.Hold = () =>
        {
            verified.TrySetResult();
            release.Wait(CancellationToken);
        };
        var late = other.TryLogInAsync(name, IdentityApi.Password);
        await verified.Task.Soon();
        await ChangeAsync(id, new { disabled = true });
        release.Set();
        using var refused = await late;
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task PasswordThatMustChange_LetsNobodyInUntilItHas()
    {
        const string New = "another horse battery";
        var name = await _client.NewNameAsync();
        var login = await _client.LogInAsync(name);
        await ChangeAsync(IdOf(login), new { must_change_password = true });
        using var expired = await _client.TryLogInAsync(name, IdentityApi.Password);
        Assert.Contains("/api/login/password", await expired.ProblemAsync(HttpStatusCode.Forbidden));
        using var refreshed = await _client.RefreshAsync(login.Refresh);
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        foreach (var (user, old) in new[] { (name, "a wrong password"), (IdentityApi.NewName(), IdentityApi.Password) })
        {
            using var wrong = await _client.PostJsonAsync(
                "/api/login/password", new { username = user, old, @new = New });
            await wrong.ProblemAsync(HttpStatusCode.BadRequest);
        }

        using var changed = await _client.PostJsonAsync(
            "/api/login/password", new { username = name, old = IdentityApi.Password, @new = New });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        await _client.LogInAsync(name, New);
    }

    [Fact]
    public async Task Password_OfOneWhoIsDisabledOrThatIsTheOldOne_IsNotChanged()
    {
        var name = await _client.NewNameAsync();
        var id = IdOf(await _client.LogInAsync(name));
        await ChangeAsync(id, new { must_change_password = true });
        using var same = await ChangePasswordAsync(IdentityApi.Password);
        await same.ProblemAsync(HttpStatusCode.BadRequest);
        await ChangeAsync(id, new { disabled = true });
        using var refused = await ChangePasswordAsync("another horse battery");
        await refused.ProblemAsync(HttpStatusCode.Forbidden);
        await ChangeAsync(id, new { disabled = false });
        using var still = await _client.TryLogInAsync(name, IdentityApi.Password);
        await still.ProblemAsync(HttpStatusCode.Forbidden); // The password must change as before.

        Task<HttpResponseMessage> ChangePasswordAsync(string @new) => _client.PostJsonAsync(
            "/api/login/password", new { username = name, old = IdentityApi.Password, @new });
    }

    /// <summary>What lasts is not to be had in the seconds until the gateways have heard of the end.</summary>
    [Fact]
    public async Task AccessToken_OfASessionThatHasEnded_MakesNoKeyAndAdministratesNothing()
    {
        var user = await _client.NewUserAsync();
        var admin = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        foreach (var login in new[] { user, admin })
        {
            using var ended = await _client.LogOutAsync(login.Refresh);
            Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        }

        using var key = await _client.CallAsync(HttpMethod.Post, "/api/keys", user.Access, new { name = "a key" });
        await key.ProblemAsync(HttpStatusCode.Unauthorized);
        using var listed = await _client.CallAsync(HttpMethod.Get, Users, admin.Access);
        await listed.ProblemAsync(HttpStatusCode.Unauthorized);
        using var invited = await _client.CallAsync(
            HttpMethod.Post, "/api/admin/invitations", admin.Access, new { note = "me" });
        await invited.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Text_ThatPostgresCannotHold_IsRefused()
    {
        using var note = await AdminAsync(HttpMethod.Post, "/api/admin/invitations", new { note = "a\0b" });
        await note.ProblemAsync(HttpStatusCode.BadRequest);
        using var action = await AdminAsync(HttpMethod.Get, "/api/admin/audit?action=%00");
        await action.ProblemAsync(HttpStatusCode.BadRequest);
        using var search = await AdminAsync(HttpMethod.Get, $"{Users}?search=%00");
        Assert.Empty((await search.ReadAsync<JsonElement>(HttpStatusCode.OK)).EnumerateArray());
    }

    /// <summary>Where no token is needed, one that is sent does not make its user the one who did it.</summary>
    [Fact]
    public async Task AuditLog_OfAPasswordThatWasChangedWithoutALogin_NamesItsUser()
    {
        var name = await _client.NewNameAsync();
        var id = IdOf(await _client.LogInAsync(name));
        var other = await _client.NewUserAsync();
        using var changed = await _client.CallAsync(
            HttpMethod.Post, "/api/login/password", other.Access,
            new { username = name, old = IdentityApi.Password, @new = "another horse battery" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        var entry = Assert.Single(await AuditAsync($"user={id}&action=password_changed"));
        Assert.Equal((id, id), (entry.Actor, entry.Subject));
        Assert.All(
            await AuditAsync("action=admin_appointed"), appointed => Assert.Null(appointed.Actor));
    }

    [Fact]
    public async Task Sessions_OfAUser_AreListedAndEndedByAnAdministrator()
    {
        var name = await _client.NewNameAsync();
        var logins = new[]
        {
            await _client.LogInAsync(name), await _client.LogInAsync(name), await _client.LogInAsync(name),
        };
        var path = $"{Users}/{IdOf(logins[0])}/sessions";
        using var listed = await AdminAsync(HttpMethod.Get, path);
        Assert.Equal(3, (await listed.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetArrayLength());
        using var one = await AdminAsync(
            HttpMethod.Delete, $"{path}/{logins[1].Claims.GetProperty("sid").GetString()}");
        Assert.Equal(HttpStatusCode.NoContent, one.StatusCode);
        Assert.Equal("False True False", await EndedAsync());
        using var all = await AdminAsync(HttpMethod.Delete, path);
        Assert.Equal(HttpStatusCode.NoContent, all.StatusCode);
        Assert.Equal("True True True", await EndedAsync());

        async Task<string> EndedAsync() =>
            string.Join(' ', await Task.WhenAll(logins.Select(login => _client.IsEndedAsync(login))));
    }

    [Fact]
    public async Task Administration_ByOthersOrOfOneself_IsRefused()
    {
        var user = await _client.NewUserAsync();
        foreach (var path in new[] { Users, $"{Users}/1", $"{Users}/1/sessions", "/api/admin/audit" })
        {
            using var refused = await _client.CallAsync(HttpMethod.Get, path, user.Access);
            await refused.ProblemAsync(HttpStatusCode.Forbidden);
            using var anonymous = await _client.CallAsync(HttpMethod.Get, path, access: null);
            await anonymous.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        var admin = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        using var own = await _client.CallAsync(
            HttpMethod.Patch, $"{Users}/{IdOf(admin)}", admin.Access, new { disabled = true });
        await own.ProblemAsync(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task AuditLog_SaysWhoDidWhatToWhomFromWhere_AndIsNeverChanged()
    {
        var address = IdentityApi.NewAddress();
        using var client = identity.Lenient.CreateClientAt(address);
        var admin = await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        var id = IdOf(await _client.NewUserAsync());
        using var changed = await client.CallAsync(
            HttpMethod.Patch, $"{Users}/{id}", admin.Access, new { disabled = true });
        var entry = Assert.Single(await AuditAsync($"user={id}&action=user_disabled"));
        Assert.Equal((IdOf(admin), id, address), (entry.Actor, entry.Subject, entry.Address));
        using var page = await AdminAsync(HttpMethod.Get, $"/api/admin/audit?user={id}&limit=1");
        Assert.Contains($"before={entry.Id}", Assert.Single(page.Headers.GetValues("Link")), StringComparison.Ordinal);

        await using var database = NpgsqlDataSource.Create(identity.ConnectionString);
        foreach (var sql in new[] { "UPDATE audit SET actor = 0", "DELETE FROM audit", "TRUNCATE audit" })
        {
            await using var command = database.CreateCommand(sql);
            var refused = await Assert.ThrowsAsync<PostgresException>(
                () => command.ExecuteNonQueryAsync(CancellationToken)).Soon();
            Assert.Equal("entries of audit are never changed", refused.MessageText);
        }
    }

    private static long IdOf(LoginAnswer login) =>
        long.Parse(login.Claims.GetProperty("sub").GetString()!, CultureInfo.InvariantCulture);

    private async Task ChangeAsync(long id, object change)
    {
        using var changed = await AdminAsync(HttpMethod.Patch, $"{Users}/{id}", change);
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
    }

    private async Task<List<Entry>> AuditAsync(string query)
    {
        using var response = await AdminAsync(HttpMethod.Get, $"/api/admin/audit?{query}");
        return await response.ReadAsync<List<Entry>>(HttpStatusCode.OK);
    }

    private async Task<HttpResponseMessage> AdminAsync(HttpMethod method, string path, object? body = null)
    {
        var admin = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        return await _client.CallAsync(method, path, admin.Access, body);
    }

    private sealed record Entry(long Id, long? Actor, long? Subject, string Action, string? Address);
}
