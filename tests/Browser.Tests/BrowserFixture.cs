using AspireChat.Tests;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Browser.Tests.BrowserFixture))]

namespace Browser.Tests;

/// <summary>A browser without a window, once for all tests.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private static readonly string[] Arguments =
    [
        "--no-sandbox", // Root may not use it. All pages are our own.
        "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(
            new() { ExecutablePath = await Chromium.FindAsync(), Args = Arguments });
    }

    /// <summary>Opens a page of the gateway, in a profile of its own.</summary>
    /// <param name="system">The system.</param>
    /// <param name="path">The page.</param>
    /// <param name="scheme">Whether it is to be light or dark.</param>
    public async Task<WatchedPage> OpenAsync(
        AppHostFixture system, string path, ColorScheme scheme = ColorScheme.Light)
    {
        using var client = system.CreateClient();
        var page = await OpenAsync(client.BaseAddress!, scheme);
        await page.Page.GotoAsync(path);
        return page;
    }

    /// <summary>Opens a page of Aspire's dashboard, logged in, in a profile of its own.</summary>
    /// <param name="system">Whose dashboard.</param>
    /// <param name="path">The page.</param>
    public async Task<WatchedPage> OpenDashboardAsync(AppHostFixture system, string path)
    {
        var page = await OpenAsync(system.App.GetEndpoint("aspire-dashboard"), ColorScheme.Light);
        var token = system.App.Services.GetRequiredService<IConfiguration>()["AppHost:BrowserToken"];
        await page.Page.GotoAsync($"/login?t={token}&returnUrl={Uri.EscapeDataString(path)}");
        return page;
    }

    private async Task<WatchedPage> OpenAsync(Uri home, ColorScheme scheme)
    {
        var context = await _browser!.NewContextAsync(new()
        {
            BaseURL = home.ToString(),
            ColorScheme = scheme,
            ViewportSize = new() { Width = 1400, Height = 1000 },
        });
        return new WatchedPage(context, await context.NewPageAsync(), home);
    }

    public async ValueTask DisposeAsync()
    {
        await (_browser?.DisposeAsync() ?? ValueTask.CompletedTask);
        _playwright?.Dispose();
    }
}

/// <summary>A page, and what it did besides showing itself.</summary>
public sealed class WatchedPage : IAsyncDisposable
{
    /// <summary>How long the page may take for a step; generous, because CI machines are slow.</summary>
    private const int StepMilliseconds = 60_000;

    private readonly IBrowserContext _context;
    private readonly List<string> _offences = [];

    /// <summary>Watches a page.</summary>
    /// <param name="context">Its profile, which ends with it.</param>
    /// <param name="page">The page.</param>
    /// <param name="home">The only server that it may use.</param>
    public WatchedPage(IBrowserContext context, IPage page, Uri home)
    {
        (_context, Page) = (context, page);
        page.SetDefaultTimeout(StepMilliseconds);
        page.Request += (_, request) => Note(
            request.Url.StartsWith("http", StringComparison.Ordinal) && !home.IsBaseOf(new(request.Url)),
            $"asked {request.Url}");
        page.Console += (_, message) => Note(message.Type == "error", $"wrote {message.Text}");
        page.PageError += (_, error) => Note(true, $"threw {error}");
    }

    /// <summary>The page.</summary>
    public IPage Page { get; }

    /// <summary>What it asked of other servers, and its errors.</summary>
    public IReadOnlyList<string> Offences
    {
        get
        {
            lock (_offences)
            {
                return [.. _offences];
            }
        }
    }

    /// <summary>Keeps a picture for the docs, when <c>PICTURES</c> names a folder for them.</summary>
    public async Task PictureAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("PICTURES") is { Length: > 0 } folder)
        {
            await Page.WaitForTimeoutAsync(5_000); // Charts are drawn a while after their page.
            await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png") });
        }
    }

    public ValueTask DisposeAsync() => _context.DisposeAsync();

    private void Note(bool isOffence, string what)
    {
        if (isOffence)
        {
            lock (_offences)
            {
                _offences.Add(what);
            }
        }
    }
}
