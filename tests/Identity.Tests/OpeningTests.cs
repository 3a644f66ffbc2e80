using System.Globalization;
using System.Net;
using System.Text.Json;
using Identity.Service;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests;

/// <summary>The ledger, and nobody else, may ask whether there is a user and what the account opens with.</summary>
public sealed class OpeningTests(IdentityFixture identity)
{
    private readonly HttpClient _client = identity.Lenient.CreateClient();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Opening_OfAUser_IsThatOfTheConfiguration()
    {
        Assert.Equal(4000, await CreditsAsync(_client, await NewUserIdAsync(_client)));

        await using var other = new IdentityServer(identity.ConnectionString, new() { ["Opening:Credits"] = "70" });
        await other.StartAsync();
        using var client = other.CreateClient();
        Assert.Equal(70, await CreditsAsync(client, await NewUserIdAsync(client)));
    }

    [Fact]
    public async Task Opening_OfNobodyAndOfOneWhoLeaves_Is404()
    {
        var access = await TokenAsync(_client, "ledger", IdentityServer.LedgerSecret);
        using var nobody = await AskAsync(_client, long.MaxValue, access);
        Assert.Equal(HttpStatusCode.NotFound, nobody.StatusCode);

        var id = await NewUserIdAsync(_client);
        await using (var scope = identity.Lenient.Services.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<IdentityDb>().Users.Where(user => user.Id == id)
                .ExecuteUpdateAsync(
                    set => set.SetProperty(user => user.LeavingAt, DateTimeOffset.UtcNow), CancellationToken).Soon();
        }

        using var leaving = await AskAsync(_client, id, access);
        Assert.Equal(HttpStatusCode.NotFound, leaving.StatusCode);
    }

    [Fact]
    public async Task Opening_ForOthersThanTheLedger_IsRefused()
    {
        var user = await _client.NewUserAsync();
        foreach (var access in new[] { user.Access, await TokenAsync(_client, "chat", IdentityServer.ChatSecret) })
        {
            using var refused = await AskAsync(_client, 1, access);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }

        using var anonymous = await _client.GetAsync("/users/1/opening", CancellationToken).Soon();
        Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
    }

    private static async Task<long> NewUserIdAsync(HttpClient client) => long.Parse(
        (await client.NewUserAsync()).Claims.GetProperty("sub").GetString()!, CultureInfo.InvariantCulture);

    private static async Task<long> CreditsAsync(HttpClient client, long id)
    {
        using var answer = await AskAsync(client, id, await TokenAsync(client, "ledger", IdentityServer.LedgerSecret));
        return (await answer.ReadAsync<JsonElement>(HttpStatusCode.OK)).GetProperty("credits").GetInt64();
    }

    private static Task<HttpResponseMessage> AskAsync(HttpClient client, long id, string access) =>
        client.CallAsync(HttpMethod.Get, $"/users/{id}/opening", access);

    private static async Task<string> TokenAsync(HttpClient client, string id, string secret)
    {
        using var issued = await client.OAuthAsync(
            ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
        return (await issued.ReadAsync<OAuthAnswer>(HttpStatusCode.OK)).Access;
    }
}
