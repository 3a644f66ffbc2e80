using Aspire.Hosting.ApplicationModel;

namespace Aspire.Local.Tests;

/// <summary>A resource shows where it is: the addresses of its endpoints, and what its AppHost adds.</summary>
public sealed class UrlTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Endpoints_OfAResource_AreItsUrlsWhileItRuns()
    {
        await using var app = await StartAsync(web => web.WithHttpEndpoint(name: "admin"));
        var urls = await UrlsAsync(app, KnownResourceStates.Running);
        Assert.Equal(["http", "admin"], urls.Select(url => url.Name));
        Assert.Equal([Address(app, "http"), Address(app, "admin")], urls.Select(url => url.Url));
        Assert.All(urls, url => Assert.False(url.IsInactive || url.IsInternal));

        await app.ResourceCommands.ExecuteCommandAsync("web", KnownResourceCommands.StopCommand, Cancellation)
            .WaitAsync(Timeout, Cancellation);
        urls = await UrlsAsync(app, KnownResourceStates.Finished);
        Assert.Equal([Address(app, "http"), Address(app, "admin")], urls.Select(url => url.Url));
        Assert.All(urls, url => Assert.True(url.IsInactive));
    }

    [Fact]
    public async Task Url_Absolute_IsShownBesidesTheEndpoints()
    {
        await using var app = await StartAsync(web => web.WithUrl("https://example.com/docs", "Docs"));
        var urls = await UrlsAsync(app, KnownResourceStates.Running);
        Assert.Equal(
            [
                new UrlSnapshot("http", Address(app, "http"), IsInternal: false),
                new UrlSnapshot(null, "https://example.com/docs", IsInternal: false)
                {
                    DisplayProperties = new UrlDisplayPropertiesSnapshot("Docs"),
                },
            ],
            urls);
    }

    [Fact]
    public async Task Url_Relative_ChangesThePathOfAll()
    {
        await using var app = await StartAsync(web => web.WithUrl("https://example.com/docs").WithUrl("/home", "Home"));
        var urls = await UrlsAsync(app, KnownResourceStates.Running);
        Assert.Equal([Address(app, "http") + "/home", "https://example.com/home"], urls.Select(url => url.Url));
        Assert.All(urls, url => Assert.Equal("Home", url.DisplayProperties.DisplayName));
    }

    [Fact]
    public async Task UrlForEndpoint_Changed_IsShownChanged()
    {
        await using var app = await StartAsync(web => web.WithHttpEndpoint(name: "admin").WithUrlForEndpoint(
            "admin",
            url =>
            {
                Assert.Equal("admin", url.Endpoint!.EndpointName);
                url.Url = "/swagger";
                url.DisplayText = "Swagger";
                url.DisplayLocation = UrlDisplayLocation.DetailsOnly;
            }));
        var urls = await UrlsAsync(app, KnownResourceStates.Running);
        Assert.Equal(
            [
                new UrlSnapshot("http", Address(app, "http"), IsInternal: false),
                new UrlSnapshot("admin", Address(app, "admin") + "/swagger", IsInternal: true)
                {
                    DisplayProperties = new UrlDisplayPropertiesSnapshot("Swagger"),
                },
            ],
            urls);
    }

    [Fact]
    public async Task UrlForEndpoint_OfNoEndpointOrFailing_LeavesTheOthersAsTheyAre()
    {
        await using var app = await StartAsync(web => web
            .WithUrlForEndpoint("none", url => url.Url = "/never")
            .WithUrlForEndpoint("http", _ => throw new InvalidOperationException("no text")));
        var urls = await UrlsAsync(app, KnownResourceStates.Running);
        Assert.Equal([Address(app, "http")], urls.Select(url => url.Url));
    }

    /// <summary>Starts an application of one program with an HTTP endpoint; nothing need answer there.</summary>
    private static async Task<DistributedApplication> StartAsync(Action<IResourceBuilder<ExecutableResource>> describe)
    {
        var builder = DistributedApplicationTestingBuilder.Create();
        describe(builder.AddExecutable("web", "sleep", ".", "600").WithHttpEndpoint());
        var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);
        return app;
    }

    private static async Task<IReadOnlyList<UrlSnapshot>> UrlsAsync(DistributedApplication app, string state) =>
    [
        .. (await app.ResourceNotifications.WaitForResourceAsync(
            "web", e => e.Snapshot.State?.Text == state, Cancellation).WaitAsync(Timeout, Cancellation)).Snapshot.Urls,
    ];

    private static string Address(DistributedApplication app, string endpoint) =>
        app.GetEndpoint("web", endpoint).GetLeftPart(UriPartial.Authority);
}
