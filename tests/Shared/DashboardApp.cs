namespace Tests.Shared;

/// <summary>The AppHost's dashboard, with other resources than the AppHost's own.</summary>
internal static class DashboardApp
{
    /// <summary>What opens the dashboard.</summary>
    public const string Token = "token-of-a-test";

    /// <summary>The dashboard's name.</summary>
    public const string Name = "aspire-dashboard";

    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);

    /// <summary>Starts what a test describes, and waits until the dashboard can be used.</summary>
    public static async Task<DistributedApplication> StartAsync(Action<IDistributedApplicationBuilder> describe)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [$"--AppHost:BrowserToken={Token}"],
            (options, _) => options.DisableDashboard = false,
            cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        try
        {
            foreach (var resource in builder.Resources.Where(resource => resource.Name != Name).ToList())
            {
                builder.Resources.Remove(resource);
            }

            describe(builder);
            var app = await builder.BuildAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
            await app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
            await app.ResourceNotifications.WaitForResourceHealthyAsync(Name, cancellationToken)
                .WaitAsync(StartTimeout, cancellationToken);
            return app;
        }
        catch
        {
            await builder.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client of the dashboard that it lets in.</summary>
    public static HttpClient CreateDashboardClient(this DistributedApplication app)
    {
        var client = app.CreateHttpClient(Name);
        client.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        return client;
    }
}
