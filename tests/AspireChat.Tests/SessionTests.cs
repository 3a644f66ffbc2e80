using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace AspireChat.Tests;

/// <summary>Whoever is shut out is so at all gateways and services within seconds.</summary>
public sealed class SessionTests(AppHostFixture system)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sessions_EndedByTheirUser_EndTheirAccessTokensEverywhere()
    {
        using var user = await system.NewUserAsync();
        using var ended = await user.Client.DeleteAsync("/api/sessions", CancellationToken);
        Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        await RefusedAsync(user.Client);
    }

    [Fact]
    public async Task User_WhoIsDisabled_IsShutOutWithTokensAndKeysAndLetInAgain()
    {
        using var user = await system.NewUserAsync();
        using var made = await user.Client.PostAsync("/api/keys", new { name = "test", scopes = ApiClient.Scopes });
        var key = await made.ReadAsync<JsonElement>(HttpStatusCode.Created);
        using var client = system.CreateClient();
        client.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("key").GetString());
        Assert.Equal(4000, await client.BalanceAsync());

        using var admin = await system.AdminAsync();
        var path = $"/api/admin/users/{await Books.IdAsync(user)}";
        using var disabled = await PatchAsync(admin, path, """{"disabled":true}""");
        Assert.Equal(HttpStatusCode.OK, disabled.StatusCode);
        await RefusedAsync(user.Client);
        await RefusedAsync(client);

        using var enabled = await PatchAsync(admin, path, """{"disabled":false}""");
        await SlowSystem.UntilAsync(async () => await StatusAsync(client) is HttpStatusCode.OK);
        var again = await user.Client.LoginAsync(user.Name, ApiClient.Password);
        user.Client.DefaultRequestHeaders.Authorization = new("Bearer", again.Access);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    private static async Task RefusedAsync(HttpClient client) =>
        await SlowSystem.UntilAsync(async () =>
        {
            // Calls go to both gateways in turn.
            for (var n = 0; n < 4; n++)
            {
                if (await StatusAsync(client) is not HttpStatusCode.Unauthorized)
                {
                    return false;
                }
            }

            return true;
        });

    private static async Task<HttpStatusCode> StatusAsync(HttpClient client)
    {
        using var response = await client.ReadAsync("/api/tokens");
        return response.StatusCode;
    }

    private static Task<HttpResponseMessage> PatchAsync(HttpClient client, string path, string body) =>
        client.PatchAsync(
            path, new StringContent(body, new MediaTypeHeaderValue("application/json")), CancellationToken);
}
