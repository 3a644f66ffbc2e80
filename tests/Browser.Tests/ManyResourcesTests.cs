using Microsoft.Playwright;
using Tests.Shared;
using static Microsoft.Playwright.Assertions;

namespace Browser.Tests;

/// <summary>The dashboard of an application with a single resource, and of one with many.</summary>
public sealed class ManyResourcesTests(BrowserFixture browser)
{
    private static readonly LocatorAssertionsToHaveCountOptions Patiently = new() { Timeout = 60_000 };

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public async Task Dashboard_OfFewAndManyResources_FindsShowsAndStopsOne(int count)
    {
        await using var app = await DashboardApp.StartAsync(builder =>
        {
            var first = builder.AddExecutable(NameOf(1), "sh", ".", "-c", Script(1));
            for (var n = 2; n <= count; n++)
            {
                builder.AddExecutable(NameOf(n), "sh", ".", "-c", Script(n)).WaitFor(first);
            }
        });
        var last = NameOf(count);
        await using var watched = await browser.OpenDashboardAsync(app, "/");
        var page = watched.Page;
        await Expect(page.GetByText("Running, healthy")).ToHaveCountAsync(count, Patiently);

        await page.GetByRole(AriaRole.Searchbox, new() { Name = "Name, kind or state" }).FillAsync(last);
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByText("Running, healthy")).ToHaveCountAsync(1, Patiently);
        await page.Resource(last).GetByRole(AriaRole.Button, new() { Name = $"Stop {last}" }).ClickAsync();
        await Expect(page.Resource(last)).ToContainTextAsync("Finished", DashboardPage.Patiently);

        await page.GotoAsync("/?view=graph");
        var nodes = page.GetByRole(AriaRole.Group, new() { Name = "Which resource uses which" })
            .GetByRole(AriaRole.Button);
        await Expect(nodes).ToHaveCountAsync(count, Patiently);
        await nodes.Last.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Complementary, new() { Name = $"Details of {last}" }))
            .ToContainTextAsync("Finished", DashboardPage.Patiently);

        await page.GotoAsync("/consolelogs");
        await page.GetByLabel("Resource").SelectOptionAsync(last);
        await Expect(page.GetByRole(AriaRole.Log)).ToContainTextAsync($"hello from {count}", DashboardPage.Patiently);
        Assert.Empty(watched.Offences);
    }

    private static string NameOf(int n) => $"worker-{n}";

    private static string Script(int n) => $"echo hello from {n}; exec sleep 600";
}
