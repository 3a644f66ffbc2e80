using AspireChat.Tests;
using Microsoft.Playwright;

namespace Browser.Tests;

/// <summary>The page at /.</summary>
public sealed class LandingTests(AppHostFixture system, BrowserFixture browser)
{
    [Fact]
    public async Task Links_OfTheLandingPage_LeadSomewhere()
    {
        await using var watched = await browser.OpenAsync(system, "/");
        var page = watched.Page;
        await page.GetByRole(AriaRole.Heading, new() { Name = "AspireChat" }).WaitForAsync();
        var links = await page.GetByRole(AriaRole.Link).EvaluateAllAsync<string[]>("links => links.map(a => a.href)");
        Assert.Equal(3, links.Length);
        using var client = system.CreateClient();
        foreach (var link in links)
        {
            using var answer = await client.ReadAsync(new Uri(link).AbsolutePath);
            Assert.True(answer.IsSuccessStatusCode, $"{link}: {answer.StatusCode}");
        }

        await page.GetByRole(AriaRole.Link, new() { Name = "API reference" }).ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = "AspireChat", Level = 1 }).WaitForAsync();
        await page.WaitForURLAsync("**/scalar/**");
        Assert.Empty(watched.Offences);
    }

    [Fact]
    public async Task LandingPage_InTheDark_IsDark()
    {
        await using var light = await browser.OpenAsync(system, "/", ColorScheme.Light);
        await using var dark = await browser.OpenAsync(system, "/", ColorScheme.Dark);
        Assert.True(await BrightnessAsync(light) > 200, "The light page is dark.");
        Assert.True(await BrightnessAsync(dark) < 60, "The dark page is light.");
    }

    /// <summary>0 to 255, the least of the background's colours.</summary>
    private static Task<int> BrightnessAsync(WatchedPage watched) => watched.Page.EvaluateAsync<int>(
        "Math.min(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number))");
}
