using System.Net;

namespace AspireChat.Tests;

/// <summary>What users have is still there when the system starts again.</summary>
[Trait("Category", "Slow")]
public sealed class PersistenceTests
{
    /// <summary>Given, so that the test leaves alone the secrets of whoever runs it.</summary>
    private static readonly string[] Secrets =
    [
        .. new[] { "postgres-password", "cache-password", "admin-password", "chat-client-secret",
            "ledger-client-secret", "gateway-client-secret", "ledger-cache-key", "identity-key-secret" }
            .Select(name => $"--Parameters:{name}={Guid.NewGuid():N}"),
    ];

    [Fact]
    public async Task System_StoppedAndStartedAgain_KeepsUsersChatsAndBalances()
    {
        var store = Path.Combine(Path.GetTempPath(), $"persistence-{Guid.NewGuid():N}");
        try
        {
            ChatAnswer chat;
            LoginAnswer tokens;
            await using (var app = await StartAsync(store))
            {
                using var client = app.CreateHttpClient("gateway");
                await client.RegisterAsync("keeper", ApiClient.Password);
                tokens = await client.LoginAsync("keeper", ApiClient.Password);
                client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
                using var sent = await client.PostAsync("/api/chat", new { message = "remember me" });
                chat = await sent.ReadAsync<ChatAnswer>(HttpStatusCode.Created);
            }

            await using (var app = await StartAsync(store))
            {
                using var client = app.CreateHttpClient("gateway");
                // The signing key is the same.
                client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
                Assert.Equal(3900, await client.BalanceAsync());
                using var listed = await client.ReadAsync("/api/chat");
                Assert.Equal([chat], await listed.ReadAsync<List<ChatAnswer>>(HttpStatusCode.OK));
                await client.LoginAsync("keeper", ApiClient.Password);
            }
        }
        finally
        {
            Directory.Delete(store, recursive: true);
        }
    }

    private static async Task<DistributedApplication> StartAsync(string store)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            ["--Storage=persistent", $"--DataPath={store}", .. Secrets], cancellationToken)
            .WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
        var app = await builder.BuildAsync(cancellationToken).WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
        try
        {
            await app.StartAsync(cancellationToken).WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
            await app.ResourceNotifications.WaitForResourceHealthyAsync("gateway", cancellationToken)
                .WaitAsync(AppHostFixture.StartTimeout, cancellationToken);
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }
}
