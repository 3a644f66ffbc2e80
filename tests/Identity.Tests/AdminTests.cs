using System.Net;
using System.Text.Json;
using Identity.Service;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.Tests;

/// <summary>Who is an admin, and which tokens say so.</summary>
public sealed class AdminTests(IdentityFixture identity)
{
    private const string AnotherPassword = "another password";

    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AccessToken_OfAnAdmin_CarriesTheRole()
    {
        var tokens = await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        Assert.Equal("admin", Role(tokens.Access));
        Assert.Equal("admin", Role((await RefreshAsync(tokens.Refresh)).Access));

        using var response = await _client.OAuthAsync(
            ("grant_type", "password"), ("username", IdentityServer.AdminName),
            ("password", IdentityServer.AdminPassword), ("scope", "openid"));
        var answer = await response.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal("admin", Role(answer.GetProperty("access_token").GetString()!));
        // The other tokens are for clients, which have no business with roles.
        Assert.False(answer.TryGetProperty("id_token", out _), "Nobody is given an id token.");
        var refresh = answer.GetProperty("refresh_token").GetString()!;
        Assert.DoesNotContain('.', refresh);

        using var refreshed = await _client.OAuthAsync(("grant_type", "refresh_token"), ("refresh_token", refresh));
        Assert.Equal("admin", Role((await refreshed.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access));
    }

    [Fact]
    public async Task AccessToken_OfAUser_CarriesNoRole()
    {
        var tokens = await _client.NewUserAsync();
        Assert.Null(Role(tokens.Access));
        Assert.Null(Role((await RefreshAsync(tokens.Refresh)).Access));
    }

    [Fact]
    public async Task Refresh_AfterTheRoleWasGivenOrTaken_SaysSo()
    {
        var tokens = await _client.NewUserAsync();
        await ChangeAsync(tokens, (users, user) => users.AddToRoleAsync(user, Tokens.AdminRole));
        tokens = await RefreshAsync(tokens.Refresh);
        Assert.Equal("admin", Role(tokens.Access));

        await ChangeAsync(tokens, (users, user) => users.RemoveFromRoleAsync(user, Tokens.AdminRole));
        tokens = await RefreshAsync(tokens.Refresh);
        Assert.Null(Role(tokens.Access));
        Assert.Null(Role((await RefreshAsync(tokens.Refresh)).Access));
    }

    [Theory]
    [InlineData("admin")]
    [InlineData("ADMIN")]
    public async Task Registration_OfTheAdminsName_Is409AndChangesNothing(string name)
    {
        using var response = await _client.RegisterAsync(name, AnotherPassword);
        await response.ProblemAsync(HttpStatusCode.Conflict);
        await AssertCannotLogInAsync(_client, IdentityServer.AdminName, AnotherPassword);
        await _client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
    }

    [Fact]
    public async Task RegistrationAndLogin_WithARoleSmuggledIn_GiveNone()
    {
        var name = IdentityApi.NewName();
        string[] roles = ["admin"];
        using var registered = await _client.PostJsonAsync(
            "/api/register?role=admin",
            new { username = name, password = IdentityApi.Password, role = "admin", roles, id = 1 });
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        using var response = await _client.PostJsonAsync(
            "/api/login?role=admin", new { username = name, password = IdentityApi.Password, role = "admin", roles });
        var tokens = await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
        Assert.Null(Role(tokens.Access));

        using var asked = await _client.OAuthAsync(
            ("grant_type", "password"), ("username", name), ("password", IdentityApi.Password), ("role", "admin"));
        Assert.Null(Role((await asked.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access));
    }

    [Fact]
    public async Task Start_OfFourInstancesOnAnEmptyDatabase_MakesOneAdmin()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        var replicas = Enumerable.Range(0, 4).Select(_ => new IdentityServer(connectionString)).ToList();
        try
        {
            await Task.WhenAll(replicas.Select(replica => replica.StartAsync()));
            await using var scope = replicas[0].Services.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
            Assert.Equal("admin", (await db.Users.SingleAsync(CancellationToken).Soon()).UserName);
            Assert.Equal("admin", (await db.Roles.SingleAsync(CancellationToken).Soon()).Name);
            Assert.Equal(1, await db.UserRoles.CountAsync(CancellationToken).Soon());

            using var client = replicas[^1].CreateClient();
            await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        }
        finally
        {
            await Task.WhenAll(replicas.Select(replica => replica.DisposeAsync().AsTask()));
        }
    }

    [Fact]
    public async Task Start_WithAnotherPassword_KeepsTheFirst()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using (var before = new IdentityServer(connectionString))
        {
            await before.StartAsync();
        }

        await using var after = new IdentityServer(connectionString, new() { ["Admin:Password"] = AnotherPassword });
        await after.StartAsync();
        using var client = after.CreateClient();
        await AssertCannotLogInAsync(client, IdentityServer.AdminName, AnotherPassword);
        var tokens = await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        Assert.Equal("admin", Role(tokens.Access));
    }

    [Fact]
    public async Task Start_WithTheNameOfAUser_GivesThemNothing()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using (var before = new IdentityServer(
            connectionString, new() { ["Admin:Username"] = "", ["Admin:Password"] = "" }))
        {
            await before.StartAsync();
            using var user = before.CreateClient();
            using var registered = await user.RegisterAsync("somebody");
            Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
            Assert.Null(Role((await user.LogInAsync("somebody")).Access));
        }

        await using var after = new IdentityServer(connectionString, new() { ["Admin:Username"] = "Somebody" });
        await after.StartAsync();
        using var client = after.CreateClient();
        await AssertCannotLogInAsync(client, "somebody", IdentityServer.AdminPassword);
        Assert.Null(Role((await client.LogInAsync("somebody")).Access));
    }

    [Fact]
    public async Task Start_AfterTheRoleWasTakenAway_DoesNotGiveItBack()
    {
        var connectionString = await identity.CreateDatabaseAsync();
        await using (var before = new IdentityServer(connectionString))
        {
            await before.StartAsync();
            await using var scope = before.Services.CreateAsyncScope();
            var users = scope.ServiceProvider.GetRequiredService<UserManager<User>>();
            var admin = await users.FindByNameAsync(IdentityServer.AdminName).Soon();
            var taken = await users.RemoveFromRoleAsync(admin!, "admin").Soon();
            Assert.True(taken.Succeeded, taken.ToString());
        }

        await using var after = new IdentityServer(connectionString);
        await after.StartAsync();
        using var client = after.CreateClient();
        var tokens = await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        Assert.Null(Role(tokens.Access));
    }

    private async Task<LoginAnswer> RefreshAsync(string refresh)
    {
        using var response = await _client.RefreshAsync(refresh);
        return await response.ReadAsync<LoginAnswer>(HttpStatusCode.OK);
    }

    /// <summary>Changes a user as an operator would, behind the API.</summary>
    private async Task ChangeAsync(LoginAnswer tokens, Func<UserManager<User>, User, Task<IdentityResult>> change)
    {
        await using var scope = identity.Lenient.Services.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<User>>();
        var user = await users.FindByIdAsync(tokens.Claims.GetProperty("sub").GetString()!).Soon();
        var result = await change(users, user!).Soon();
        Assert.True(result.Succeeded, result.ToString());
    }

    private static async Task AssertCannotLogInAsync(HttpClient client, string username, string password)
    {
        using var refused = await client.PostJsonAsync("/api/login", new { username, password });
        await refused.ProblemAsync(HttpStatusCode.Unauthorized);
    }

    /// <summary>The claim <c>role</c>, or null when there is none.</summary>
    private static string? Role(string access) =>
        Jwt.Read(access).Claims.TryGetProperty("role", out var role) ? role.GetString() : null;
}
