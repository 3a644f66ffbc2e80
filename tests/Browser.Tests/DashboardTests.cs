using System.Diagnostics;
using System.Text.RegularExpressions;
using AspireChat.Tests;
using Microsoft.Playwright;
using Tests.Shared;
using static Microsoft.Playwright.Assertions;

namespace Browser.Tests;

/// <summary>The dashboard of the running system, used as people use it.</summary>
public sealed partial class DashboardTests(AppHostFixture system, BrowserFixture browser)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Resources_OfTheSystem_AreShownHealthyWithTheirSecretsMasked()
    {
        await using var watched = await browser.OpenDashboardAsync(system.App, "/");
        foreach (var id in new[] { "postgres", "cache", "identity-1", "ledger-2", "chat-1", "gateway-2" })
        {
            await Expect(watched.Page.Resource(id)).ToContainTextAsync("Running, healthy", DashboardPage.Patiently);
        }

        await watched.Page.GetByRole(AriaRole.Button, new() { Name = "chat-1", Exact = true }).ClickAsync();
        var details = watched.Page.GetByRole(AriaRole.Complementary, new() { Name = "Details of chat-1" });
        await Expect(details).ToContainTextAsync("ConnectionStrings__chatdb", DashboardPage.Patiently);
        var password = (await system.App.GetConnectionStringAsync("chatdb", CancellationToken))!
            .Split("Password=")[1].Split(';')[0];
        var shown = await details.InnerTextAsync();
        Assert.DoesNotContain(password, shown, StringComparison.Ordinal);
        Assert.Contains("Password=••••••••", shown, StringComparison.Ordinal);

        await watched.Page.GetByRole(AriaRole.Button, new() { Name = "Graph", Exact = true }).ClickAsync();
        await watched.Page.GetByRole(AriaRole.Button, new() { Name = "gateway, 2 Healthy" }).ClickAsync();
        await Expect(watched.Page.GetByRole(AriaRole.Complementary, new() { Name = "Details of gateway-1" }))
            .ToContainTextAsync("identity (Reference, WaitFor)", DashboardPage.Patiently);
        Assert.Empty(watched.Offences);
    }

    [Fact]
    public async Task Chat_Sent_IsFoundAsATraceWithItsQueriesAndItsLog()
    {
        using var user = await system.NewUserAsync();
        var trace = ActivityTraceId.CreateRandom().ToString();
        await using var watched = await browser.OpenDashboardAsync(system.App, $"/traces/detail/{trace}");
        await Expect(watched.Page.Locator("main")).ToContainTextAsync("has not come yet", DashboardPage.Patiently);

        user.Client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        using var response = await user.Client.PostAsync("/api/chat", new { message = "Hello AI" });
        Assert.True(response.IsSuccessStatusCode, $"Got {response.StatusCode}.");

        // It appears without reloading. Each is indented below what it is part of.
        string[] steps = ["gatewayPOST /api/chat", "chatPOST /api/chat", "ledgerPUT /charges", "ledgerpostgresql"];
        var rows = watched.Page.GetByRole(AriaRole.Table, new() { Name = "Spans" }).GetByRole(AriaRole.Row);
        var last = -1.0;
        foreach (var step in steps)
        {
            var row = rows.Filter(new() { HasTextRegex = Anywhere(step) }).First;
            await Expect(row).ToBeVisibleAsync(new() { Timeout = 60_000 });
            var indent = await row.Locator(".span-name").EvaluateAsync<double>(
                "e => parseFloat(getComputedStyle(e).paddingLeft)");
            Assert.True(indent > last, $"'{step}' is indented by {indent}, no more than what it is part of.");
            last = indent;
        }

        var query = rows.Filter(new() { HasText = "UPDATE accounts SET balance" }).First;
        await query.GetByRole(AriaRole.Button, new() { Name = "postgresql", Exact = true }).ClickAsync();
        var panel = watched.Page.GetByRole(AriaRole.Complementary, new() { Name = "Details of the span" });
        await Expect(panel).ToContainTextAsync("db.query.text", DashboardPage.Patiently);
        await Expect(panel).ToContainTextAsync("UPDATE accounts SET balance", DashboardPage.Patiently);

        await watched.Page.GetByRole(AriaRole.Link, new() { Name = "Logs of this trace" }).ClickAsync();
        await watched.Page.GetByRole(AriaRole.Button, new() { NameRegex = new("^Stored: charge") }).ClickAsync();
        await Expect(watched.Page.GetByRole(AriaRole.Complementary, new() { Name = "Details of the line" }))
            .ToContainTextAsync("Chat.Service.Chats.PaidReply", DashboardPage.Patiently);
        await watched.Page.GetByRole(AriaRole.Complementary).GetByRole(AriaRole.Link, new() { Name = trace })
            .ClickAsync();
        await watched.Page.WaitForURLAsync($"**/traces/detail/{trace}**");

        await watched.Page.GotoAsync("/traces?text=/api/chat");
        await Expect(watched.Page.Locator($"a[href='/traces/detail/{trace}']"))
            .ToBeVisibleAsync(new() { Timeout = 60_000 });
        Assert.Empty(watched.Offences);
    }

    [Fact]
    public async Task Metrics_OfTheGateway_MoveWithEachChat()
    {
        using var user = await system.NewUserAsync();
        await using var watched = await browser.OpenDashboardAsync(
            system.App, "/metrics/resource/chat?meter=Chat.Service&instrument=chat.replies&view=table&minutes=10");
        using (await user.Client.PostAsync("/api/chat", new { message = "Hello AI" }))
        {
            var moved = watched.Page.Locator("main table tbody").First.GetByRole(AriaRole.Row)
                .Filter(new() { HasTextRegex = NotZero() });
            await Expect(moved.First).ToBeVisibleAsync(new() { Timeout = 60_000 });
        }

        await watched.Page.GotoAsync("/overview");
        await Expect(watched.Page.Locator("main"))
            .ToContainTextAsync("Answered and paid a second", DashboardPage.Patiently);
        await Expect(watched.Page.Locator("main")).ToContainTextAsync("/api/chat", DashboardPage.Patiently);
        Assert.Empty(watched.Offences);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/?view=graph")]
    [InlineData("/?resource=chat-1")]
    [InlineData("/consolelogs/resource/postgres")]
    [InlineData("/structuredlogs")]
    [InlineData("/traces")]
    [InlineData("/metrics/resource/gateway?meter=Microsoft.AspNetCore.Hosting&instrument=http.server.request.duration")]
    [InlineData("/overview")]
    [InlineData("/login")]
    public async Task Page_LightAndDark_HasNoSeriousFlawForAxe(string path)
    {
        var axe = Path.Combine(
            await Npm.InstallAsync("axe-core@4.14.1"), "node_modules/axe-core/axe.min.js");
        foreach (var scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using var watched = await browser.OpenDashboardAsync(system.App, path, scheme);
            await watched.Page.Locator("h1").WaitForAsync();
            await watched.Page.EvaluateAsync(await File.ReadAllTextAsync(axe, CancellationToken));
            var flaws = await watched.Page.EvaluateAsync<string[]>(
                """
                async () => (await axe.run()).violations
                  .filter(flaw => ['serious', 'critical'].includes(flaw.impact))
                  .flatMap(flaw => flaw.nodes.map(node => `${flaw.id}: ${node.html}`))
                """);
            Assert.True(flaws.Length == 0, $"{scheme}: {string.Join('\n', flaws)}");
        }
    }

    /// <summary>A text in which there may be space.</summary>
    private static Regex Anywhere(string text) =>
        new(string.Join("\\s*", Letters().Split(text).Where(word => word.Length > 0).Select(Regex.Escape)));

    [GeneratedRegex("(?<=gateway|chat|ledger)(?=POST|PUT|postgresql)|\\s+")]
    private static partial Regex Letters();

    [GeneratedRegex("0\\.\\d*[1-9]")]
    private static partial Regex NotZero();
}
