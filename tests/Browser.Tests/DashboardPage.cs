using Microsoft.Playwright;

namespace Browser.Tests;

/// <summary>What is found on the dashboard's pages.</summary>
internal static class DashboardPage
{
    /// <summary>How long it may take until a text is there; generous, because CI machines are slow.</summary>
    public static readonly LocatorAssertionsToContainTextOptions Patiently = new() { Timeout = 60_000 };

    /// <summary>The line of a resource, or of one of its processes.</summary>
    public static ILocator Resource(this IPage page, string id) => page.GetByRole(AriaRole.Row).Filter(
        new() { Has = page.GetByRole(AriaRole.Button, new() { Name = id, Exact = true }) });
}
