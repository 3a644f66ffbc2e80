using Aspire.Hosting.ApplicationModel;
using AspireChat.Tests;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Browser.Tests;

/// <summary>
/// Resources are stopped and started from the dashboard, when no other test runs: a request whose replica is stopped
/// is answered 503.
/// </summary>
[Collection(nameof(ResourceCommandTests))]
[CollectionDefinition(nameof(ResourceCommandTests), DisableParallelization = true)]
public sealed class ResourceCommandTests(AppHostFixture system, BrowserFixture browser)
{
    [Fact]
    public async Task Resource_StoppedAndStartedFromThePage_StopsAndRuns()
    {
        await using var watched = await browser.OpenDashboardAsync(system.App, "/");
        var row = watched.Page.Resource("chat-2");
        await row.GetByRole(AriaRole.Button, new() { Name = "Stop chat-2" }).ClickAsync();
        await Expect(row).ToContainTextAsync("Finished", DashboardPage.Patiently);
        Assert.False(IsRunning("chat-2"));
        await row.GetByRole(AriaRole.Button, new() { Name = "Start chat-2" }).ClickAsync();
        await Expect(row).ToContainTextAsync("Running, healthy", DashboardPage.Patiently);
        Assert.True(IsRunning("chat-2"));

        var before = await row.InnerTextAsync();
        await row.GetByRole(AriaRole.Button, new() { Name = "Restart chat-2" }).ClickAsync();
        await Expect(row).Not.ToHaveTextAsync(before, new() { Timeout = 60_000 });
        await Expect(row).ToContainTextAsync("Running, healthy", DashboardPage.Patiently);

        await watched.Page.GotoAsync("/consolelogs/resource/chat-2");
        await Expect(watched.Page.GetByRole(AriaRole.Log))
            .ToContainTextAsync("Application is shutting down", DashboardPage.Patiently);
        Assert.Empty(watched.Offences);
    }

    /// <summary>Whether a process runs, as the AppHost knows.</summary>
    private bool IsRunning(string id) => system.App.ResourceNotifications.TryGetCurrentState(id, out var state)
        && state.Snapshot.State?.Text == KnownResourceStates.Running;
}
