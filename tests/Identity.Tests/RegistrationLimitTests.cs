using System.Net;
using System.Text.Json;

namespace Identity.Tests;

/// <summary>Registration cannot be used to keep others out, or to get credits without end.</summary>
public sealed class RegistrationLimitTests(IdentityFixture identity)
{
    [Fact]
    public async Task Registrations_OfOneAddressBeyondTheDays_Are429UntilTomorrow()
    {
        var clock = new TestClock();
        var hasher = new CountingHasher();
        await using var service = Service(new() { ["Registration:PerAddressAndDay"] = "2" }, clock, hasher);
        var address = IdentityApi.NewAddress();
        using var here = service.CreateClientAt(address);
        using var there = service.CreateClientAt(IdentityApi.NewAddress());
        await here.NewNameAsync();
        await here.NewNameAsync();
        var computed = hasher.Computed;

        using var refused = await here.RegisterAsync(IdentityApi.NewName());
        await refused.ProblemAsync(HttpStatusCode.TooManyRequests);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        Assert.Equal(computed, hasher.Computed); // Nothing was hashed for it.
        await there.NewNameAsync();

        clock.Ahead = refused.Headers.RetryAfter.Delta.Value + TimeSpan.FromSeconds(1);
        await here.NewNameAsync();
    }

    [Fact]
    public async Task Registrations_OfOneAddressAtOnce_AreNoMoreThanTheDays()
    {
        await using var service = Service(new()
        {
            ["Registration:PerAddressAndDay"] = "5",
            ["Login:MaxQueuedHashes"] = "200", // A quarter is for registrations.
        });
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => client.RegisterAsync(IdentityApi.NewName())));
        Assert.Equal(5, answers.Count(answer => answer.StatusCode is HttpStatusCode.Created));
        Assert.Equal(15, answers.Count(answer => answer.StatusCode is HttpStatusCode.TooManyRequests));
    }

    [Fact]
    public async Task Credits_OfOneAddress_EndAndThereAreUsersWithoutAny()
    {
        await using var service = Service(new()
        {
            ["Registration:PerAddressAndDay"] = "5",
            ["Registration:CreditsPerAddressAndDay"] = "10000",
        });
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var credits = new List<long>();
        for (var n = 0; n < 4; n++)
        {
            credits.Add(await CreditsAsync(client, await client.NewUserAsync()));
        }

        Assert.Equal([4000, 4000, 2000, 0], credits);
        using var other = service.CreateClientAt(IdentityApi.NewAddress());
        Assert.Equal(4000, await CreditsAsync(other, await other.NewUserAsync()));
    }

    [Fact]
    public async Task NameThatIsTaken_InWhateverCase_Is409AndNotHashed()
    {
        var hasher = new CountingHasher();
        await using var service = Service([], hasher: hasher);
        using var client = service.CreateClient();
        var name = await client.NewNameAsync();
        var computed = hasher.Computed;
        using var refused = await client.RegisterAsync(name.ToUpperInvariant());
        await refused.ProblemAsync(HttpStatusCode.Conflict);
        Assert.Equal(computed, hasher.Computed);
    }

    /// <summary>Registrations have their part of the waiting places, and a login finds one of the others.</summary>
    [Fact]
    public async Task Login_WhileRegistrationsFillTheirPlaces_IsServed()
    {
        var hasher = new CountingHasher();
        await using var service = Service(
            new() { ["Login:MaxParallelHashes"] = "1", ["Login:MaxQueuedHashes"] = "7" }, hasher: hasher);
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        var name = await client.NewNameAsync();
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var release = new ManualResetEventSlim();
        hasher.Hold = () =>
        {
            began.TrySetResult();
            release.Wait(TestContext.Current.CancellationToken);
        };
        var registrations = Enumerable.Range(0, 8).Select(_ => client.RegisterAsync(IdentityApi.NewName())).ToList();
        await began.Task.Soon();
        // Two have a place: one is hashed, one waits. The others are refused while that goes on.
        for (var n = 0; n < 6; n++)
        {
            var first = await Task.WhenAny(registrations).Soon();
            registrations.Remove(first);
            using var refused = await first;
            await refused.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        }

        var login = client.LogInAsync(name);
        release.Set();
        await login;
        Assert.All(
            await Task.WhenAll(registrations), answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
    }

    [Fact]
    public async Task Registration_WhereItIsClosed_Is403()
    {
        await using var service = Service(new() { ["Registration:Mode"] = "closed" });
        using var client = service.CreateClient();
        using var refused = await client.RegisterAsync(IdentityApi.NewName());
        Assert.Equal("Nobody can register here at the moment.", await refused.ProblemAsync(HttpStatusCode.Forbidden));
    }

    [Fact]
    public async Task Invitation_WhereItIsNeeded_LetsOneUserInAndOnlyOne()
    {
        await using var service = Service(
            new() { ["Registration:Mode"] = "invite", ["Registration:PerAddressAndDay"] = "1" });
        using var client = service.CreateClientAt(IdentityApi.NewAddress());
        using var refused = await client.RegisterAsync(IdentityApi.NewName());
        await refused.ProblemAsync(HttpStatusCode.Forbidden);

        var invitation = await InviteAsync(client);
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(_ => RegisterAsync(client, invitation.Invitation)));
        Assert.Equal(1, answers.Count(answer => answer.StatusCode is HttpStatusCode.Created));
        Assert.Equal(4, answers.Count(answer => answer.StatusCode is HttpStatusCode.Forbidden));
        // Those who are invited are not counted by address.
        using var next = await RegisterAsync(client, (await InviteAsync(client)).Invitation);
        Assert.Equal(HttpStatusCode.Created, next.StatusCode);
    }

    [Fact]
    public async Task Invitation_ThatIsMadeUpOrTakenBackOrOld_IsRefused()
    {
        var clock = new TestClock();
        await using var service = Service([], clock);
        using var client = service.CreateClient();
        var admin = await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        var (old, back) = (await InviteAsync(client), await InviteAsync(client));
        using (var revoked = await client.CallAsync(
            HttpMethod.Delete, $"/api/admin/invitations/{back.Id}", admin.Access))
        {
            Assert.Equal(HttpStatusCode.NoContent, revoked.StatusCode);
        }

        using (var again = await client.CallAsync(HttpMethod.Delete, $"/api/admin/invitations/{back.Id}", admin.Access))
        {
            Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
        }

        using var listed = await client.CallAsync(HttpMethod.Get, "/api/admin/invitations", admin.Access);
        var text = await listed.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains($"\"id\":{old.Id},", text, StringComparison.Ordinal);
        Assert.DoesNotContain($"\"id\":{back.Id},", text, StringComparison.Ordinal);
        Assert.DoesNotContain(old.Invitation, text, StringComparison.Ordinal);
        clock.Ahead = TimeSpan.FromDays(8);
        foreach (var code in new[] { "inv_made-up", "\0", back.Invitation, old.Invitation })
        {
            using var refused = await RegisterAsync(client, code);
            await refused.ProblemAsync(HttpStatusCode.Forbidden);
        }
    }

    private static Task<HttpResponseMessage> RegisterAsync(HttpClient client, string invitation) =>
        client.PostJsonAsync(
            "/api/register", new { username = IdentityApi.NewName(), password = IdentityApi.Password, invitation });

    private static async Task<NewInvitation> InviteAsync(HttpClient client)
    {
        var admin = await client.LogInAsync(IdentityServer.AdminName, IdentityServer.AdminPassword);
        using var made = await client.CallAsync(
            HttpMethod.Post, "/api/admin/invitations", admin.Access, new { note = "Bob" });
        return await made.ReadAsync<NewInvitation>(HttpStatusCode.Created);
    }

    private static async Task<long> CreditsAsync(HttpClient client, LoginAnswer user)
    {
        using var issued = await client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", "ledger"),
            ("client_secret", IdentityServer.LedgerSecret));
        var token = await issued.ReadAsync<OAuthAnswer>(HttpStatusCode.OK);
        using var answer = await client.CallAsync(
            HttpMethod.Get, $"/users/{user.Claims.GetProperty("sub").GetString()}/opening", token.Access);
        return (await answer.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetProperty("credits").GetInt64();
    }

    private IdentityServer Service(
        Dictionary<string, string> settings, TestClock? clock = null, CountingHasher? hasher = null)
    {
        var service = new IdentityServer(
            identity.ConnectionString, settings, clock, change: hasher is null ? null : hasher.Use);
        service.StartServer();
        return service;
    }

    private sealed record NewInvitation(long Id, string Invitation);
}
