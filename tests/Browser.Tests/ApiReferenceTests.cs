using System.Text.Json;
using System.Text.RegularExpressions;
using AspireChat.Tests;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Browser.Tests;

/// <summary>The page /scalar, used as people use it.</summary>
public sealed partial class ApiReferenceTests(AppHostFixture system, BrowserFixture browser)
{
    [Fact]
    public async Task Page_OfTheApi_RegistersLogsInAndSendsAChat()
    {
        await using var watched = await browser.OpenAsync(system, "/scalar");
        var client = new RequestClient(watched.Page);
        var name = $"browser-{Guid.NewGuid():N}";
        var user = JsonSerializer.Serialize(new { username = name, password = ApiClient.Password });

        await client.SendAsync("#tag/account/POST/api/register", "post /api/register", user, "201 Created");
        await client.CloseAsync();

        await client.SendAsync("#tag/account/POST/api/login", "post /api/login", user, "200 OK");
        var access = AccessToken().Match(await client.Answer.InnerTextAsync()).Groups[1].Value;
        Assert.NotEmpty(access);
        await client.CloseAsync();

        await client.OpenAsync("#tag/chat/POST/api/chat", "post /api/chat");
        await client.Token.FillAsync(access);
        await client.SendAsync("""{"message":"Hello from a browser"}""", "201 Created");
        await Expect(client.Answer).ToContainTextAsync("AI Response to: Hello from a browser");
        await Expect(client.Answer).ToContainTextAsync("3900");

        Assert.Empty(watched.Offences);
    }

    [Fact]
    public async Task Chat_WithoutAToken_ShowsTheProblem()
    {
        await using var watched = await browser.OpenAsync(system, "/scalar");
        var client = new RequestClient(watched.Page);
        await client.SendAsync(
            "#tag/chat/POST/api/chat", "post /api/chat", """{"message":"Hello"}""", "401 Unauthorized");
        await Expect(client.Answer).ToContainTextAsync("POST /api/login gives one.");
    }

    [GeneratedRegex("\"access\": *\"([^\"]+)\"")]
    private static partial Regex AccessToken();

    /// <summary>The part of the page that sends requests.</summary>
    private sealed class RequestClient(IPage page)
    {
        private ILocator Dialog => page.GetByRole(AriaRole.Dialog, new() { Name = "API Client" });

        private ILocator Request => Dialog.GetByRole(AriaRole.Region, new() { NameRegex = new("^Request:") });

        /// <summary>What came back.</summary>
        public ILocator Answer => Dialog.GetByRole(AriaRole.Region, new() { Name = "Response", Exact = true });

        /// <summary>Where the access token goes.</summary>
        public ILocator Token => Request.GetByRole(AriaRole.Textbox, new() { Name = "Bearer Token" });

        public async Task OpenAsync(string place, string operation)
        {
            await page.GotoAsync($"/scalar{place}");
            var button = page.GetByRole(
                AriaRole.Button, new() { Name = $"Test Request ({operation})", Exact = true });
            await button.ClickAsync();
        }

        public async Task SendAsync(string place, string operation, string body, string status)
        {
            await OpenAsync(place, operation);
            await SendAsync(body, status);
        }

        public async Task SendAsync(string body, string status)
        {
            await Request.GetByRole(AriaRole.Textbox).Last.FillAsync(body);
            await Dialog.GetByRole(AriaRole.Button, new() { NameRegex = new("^Send post request") }).ClickAsync();
            await Expect(Answer).ToContainTextAsync(status, new() { Timeout = 60_000 });
        }

        public Task CloseAsync() =>
            Dialog.GetByRole(AriaRole.Button, new() { Name = "Close Client" }).ClickAsync();
    }
}
