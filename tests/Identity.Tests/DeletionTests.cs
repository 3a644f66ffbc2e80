using System.Globalization;
using System.Net;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using OpenIddict.EntityFrameworkCore.Models;

namespace Identity.Tests;

/// <summary>Users may leave, and nothing of them stays but their number.</summary>
public sealed class DeletionTests(IdentityFixture identity) : IAsyncLifetime
{
    private OtherServices? _others;
    private IdentityServer? _service;
    private HttpClient? _client;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    private OtherServices Others => _others!;

    private HttpClient Client => _client!;

    public async ValueTask InitializeAsync()
    {
        _others = await OtherServices.StartAsync(identity.Lenient);
        _service = new IdentityServer(
            identity.ConnectionString,
            new() { ["services:ledger:http:0"] = Others.Address, ["services:chat:http:0"] = Others.Address },
            new StoppedClock());
        await _service.StartAsync();
        _client = _service.CreateClientAt(IdentityApi.NewAddress());
    }

    [Fact]
    public async Task Deletion_WithThePassword_LeavesNothingButAFreeName()
    {
        var name = await Client.NewNameAsync();
        var tokens = await Client.LogInAsync(name);
        var id = Id(tokens);
        using var deleted = await DeleteAsync(tokens.Access);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        Assert.Equal([$"closed {id}", $"erased {id}"], Others.Calls);

        await using (var scope = identity.Lenient.Services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
            Assert.False(await db.Users.AnyAsync(user => user.Id == id, CancellationToken).Soon());
            Assert.False(await db.Set<OpenIddictEntityFrameworkCoreToken<long>>()
                .AnyAsync(token => token.Subject == $"{id}", CancellationToken).Soon());
        }

        using var refreshed = await Client.RefreshAsync(tokens.Refresh);
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        using var login = await Client.TryLogInAsync(name, IdentityApi.Password);
        await login.ProblemAsync(HttpStatusCode.Unauthorized);
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Delete })
        {
            using var me = await Client.CallAsync(
                method, "/api/me", tokens.Access, new { password = IdentityApi.Password });
            await me.ProblemAsync(HttpStatusCode.Unauthorized);
        }

        using var again = await Client.RegisterAsync(name, "another password");
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.True(Id(await Client.LogInAsync(name, "another password")) > id, "A number is given once.");
    }

    [Fact]
    public async Task Deletion_WithoutThePassword_ChangesNothingAndCountsLikeAFailedLogin()
    {
        var name = await Client.NewNameAsync();
        var tokens = await Client.LogInAsync(name);
        foreach (var body in new object[] { new { }, new { password = "" }, new { password = (string?)null } })
        {
            using var missing = await Client.CallAsync(HttpMethod.Delete, "/api/me", tokens.Access, body);
            await missing.ProblemAsync(HttpStatusCode.BadRequest);
        }

        for (var n = 0; n < 5; n++)
        {
            using var wrong = await DeleteAsync(tokens.Access, "a wrong password");
            await wrong.ProblemAsync(HttpStatusCode.BadRequest);
        }

        using var locked = await DeleteAsync(tokens.Access, "a wrong password");
        await locked.ProblemAsync(HttpStatusCode.TooManyRequests);
        Assert.Empty(Others.Calls);
        using var me = await Client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        Assert.Equal(HttpStatusCode.OK, me.StatusCode);
    }

    [Theory]
    [InlineData("closed")]
    [InlineData("erased")]
    public async Task Deletion_WhileAnotherServiceIsAway_IsFinishedLaterAndTheUserGoneAtOnce(string call)
    {
        var name = await Client.NewNameAsync();
        var tokens = await Client.LogInAsync(name);
        var id = Id(tokens);
        Others.Away = call;
        using var deleted = await DeleteAsync(tokens.Access);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using var me = await Client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        await me.ProblemAsync(HttpStatusCode.Unauthorized);
        using var refreshed = await Client.RefreshAsync(tokens.Refresh);
        await refreshed.ProblemAsync(HttpStatusCode.Unauthorized);
        using var login = await Client.TryLogInAsync(name, IdentityApi.Password);
        await login.ProblemAsync(HttpStatusCode.Unauthorized);
        using var again = await Client.RegisterAsync(name);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);

        await using var scope = _service!.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<IdentityDb>();
        var left = await db.Users.AsNoTracking().SingleAsync(user => user.Id == id, CancellationToken).Soon();
        Assert.Equal(("", $"LEFT {id}", ""), (left.UserName, left.NormalizedUserName, left.PasswordHash));

        Others.Away = null;
        Others.Calls.Clear();
        await scope.ServiceProvider.GetRequiredService<Departures>().FinishAllAsync(CancellationToken).Soon();
        Assert.Contains($"closed {id}", Others.Calls);
        Assert.Contains($"erased {id}", Others.Calls);
        Assert.False(await db.Users.AnyAsync(user => user.Id == id, CancellationToken).Soon());
    }

    [Fact]
    public async Task Deletion_BesideAPasswordChange_IsOneOfTheTwo()
    {
        for (var round = 0; round < 5; round++)
        {
            var name = await Client.NewNameAsync();
            var tokens = await Client.LogInAsync(name);
            Others.Calls.Clear();
            var answers = await Task.WhenAll(
                DeleteAsync(tokens.Access),
                Client.CallAsync(
                    HttpMethod.Post, "/api/password", tokens.Access,
                    new { old = IdentityApi.Password, @new = "another password" }));
            var isDeleted = answers[0].StatusCode == HttpStatusCode.NoContent;
            using var me = await Client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
            Assert.Equal(isDeleted ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, me.StatusCode);
            // Nothing is taken from a user who stays.
            Assert.Equal(isDeleted ? 2 : 0, Others.Calls.Count);
        }
    }

    [Fact]
    public async Task Account_WhosePasswordIsSpaces_CanBeDeletedAndChangedToo()
    {
        var name = IdentityApi.NewName();
        using var registered = await Client.RegisterAsync(name, new string(' ', 8));
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        var tokens = await Client.LogInAsync(name, new string(' ', 8));
        using var changed = await Client.CallAsync(
            HttpMethod.Post, "/api/password", tokens.Access,
            new { old = new string(' ', 8), @new = new string(' ', 9) });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        using var deleted = await DeleteAsync(tokens.Access, new string(' ', 9));
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        await (_service?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_others?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private static long Id(LoginAnswer tokens) => long.Parse(
        tokens.Claims.GetProperty("sub").GetString()!, CultureInfo.InvariantCulture);

    private Task<HttpResponseMessage> DeleteAsync(string access, string password = IdentityApi.Password) =>
        Client.CallAsync(HttpMethod.Delete, "/api/me", access, new { password });
}
