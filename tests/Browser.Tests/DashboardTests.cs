using System.Diagnostics;
using AspireChat.Tests;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Browser.Tests;

/// <summary>Aspire's dashboard of the running system, used as people use it.</summary>
public sealed class DashboardTests(AppHostFixture system, BrowserFixture browser)
{
    /// <summary>So many that each replica has answered one.</summary>
    private const int Chats = 8;

    private static readonly LocatorAssertionsToBeVisibleOptions Patiently = new() { Timeout = 60_000 };

    [Fact]
    public async Task Resources_OfTheSystem_AreShownHealthy()
    {
        await using var watched = await browser.OpenDashboardAsync(system, "/");
        foreach (var name in new[]
        {
            "postgres", "cache", "ledgerdb", "identity", "ledger-2", "chat", "chat-2", "gateway", "gateway-2",
        })
        {
            await Expect(Row(watched.Page, name).GetByText("Running")).ToBeVisibleAsync(Patiently);
        }

        await Expect(watched.Page.GetByText("Unhealthy")).ToHaveCountAsync(0);
        await Expect(Row(watched.Page, "ledger-verify").GetByText("Not started")).ToBeVisibleAsync(Patiently);
        await watched.PictureAsync("resources");
    }

    [Fact]
    public async Task Chat_Sent_IsFoundAsOneTraceFromTheGatewayToPostgres()
    {
        using var user = await system.NewUserAsync();
        var trace = ActivityTraceId.CreateRandom().ToString();
        user.Client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        using var response = await user.Client.PostAsync("/api/chat", new { message = "Hello AI" });
        Assert.True(response.IsSuccessStatusCode, $"Got {response.StatusCode}.");

        await using var watched = await browser.OpenDashboardAsync(system, $"/traces/detail/{trace}");
        foreach (var step in new[] { "POST /api/chat", "POST /holds/batch", "postgresql" })
        {
            await Expect(watched.Page.GetByText(step).First).ToBeVisibleAsync(Patiently);
        }

        await watched.PictureAsync("trace");
    }

    [Fact]
    public async Task Metric_OfTheProduct_IsShownForTheChatService()
    {
        using var user = await system.NewUserAsync();
        for (var n = 0; n < Chats; n++)
        {
            using var response = await user.Client.PostAsync("/api/chat", new { message = "Hello AI" });
            Assert.True(response.IsSuccessStatusCode, $"Got {response.StatusCode}.");
        }

        await using var watched = await browser.OpenDashboardAsync(system, "/metrics/resource/chat");
        await watched.Page.GetByTitle("chat.replies").First.ClickAsync();
        await Expect(watched.Page.GetByText("Messages, by what became of them").First).ToBeVisibleAsync(Patiently);
        await watched.PictureAsync("metrics");
    }

    private static ILocator Row(IPage page, string name) => page.GetByRole(AriaRole.Row)
        .Filter(new() { Has = page.GetByText(name, new() { Exact = true }) }).First;
}
