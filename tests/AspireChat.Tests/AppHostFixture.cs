using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tests.Shared;

[assembly: AssemblyFixture(typeof(AspireChat.Tests.AppHostFixture))]

namespace AspireChat.Tests;

/// <summary>
/// The whole system, once for all tests: the real AppHost with two replicas of every service, real Postgres and Redis,
/// random ports, and data that ends with it. Tests keep apart by using users of their own.
/// </summary>
public sealed class AppHostFixture : IAsyncLifetime
{
    /// <summary>How long the system may take to be healthy; generous, because CI machines are slow.</summary>
    public static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(5);

    /// <summary>Whether there is a dashboard: the project of the tests says so.</summary>
    private static readonly bool HasDashboard =
        AppContext.TryGetSwitch("AspireChat.Tests.Dashboard", out var hasDashboard) && hasDashboard;

    private readonly Action<IDistributedApplicationTestingBuilder>? _change;
    private readonly string[] _options = [];

    private DistributedApplication? _app;

    /// <summary>The system as it is.</summary>
    public AppHostFixture()
    {
    }

    /// <summary>A system of a test's own, with something changed in it.</summary>
    /// <param name="change">Changes it.</param>
    internal AppHostFixture(Action<IDistributedApplicationTestingBuilder> change) => _change = change;

    /// <summary>A system of a test's own, with more options.</summary>
    /// <param name="options">Such as <c>--ImportDjango=db.sqlite3</c>.</param>
    internal AppHostFixture(params string[] options) => _options = options;

    /// <summary>The running application.</summary>
    public DistributedApplication App =>
        _app ?? throw new InvalidOperationException("The application has not started.");

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            [
                "--Storage=ephemeral", "--Replicas=2", // All tests together register from one address.
                "--Registration:PerAddressAndDay=1000000", "--Registration:CreditsPerAddressAndDay=1000000000000",
                $"--Parameters:admin-password={ApiClient.Password}",
                .. _options,
            ],
            (options, _) => options.DisableDashboard = !HasDashboard,
            cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        builder.Services.AddLogging(logging => logging.ClearProviders().AddProvider(Output));
        _change?.Invoke(builder);
        _app = await builder.BuildAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        await _app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        try
        {
            foreach (var gateway in new[] { "gateway", "gateway-2" })
            {
                await _app.ResourceNotifications.WaitForResourceHealthyAsync(gateway, cancellationToken)
                    .WaitAsync(StartTimeout, cancellationToken);
            }
        }
        catch (TimeoutException exception)
        {
            throw new TimeoutException($"The system did not become healthy. Its output:\n{Output}", exception);
        }
    }

    /// <summary>What the system has written, for the message of a failure.</summary>
    internal CollectedLogs Output { get; } = new();

    /// <summary>A client of the gateway.</summary>
    public HttpClient CreateClient() => App.CreateHttpClient("gateway");

    /// <summary>A client of the gateway that is signed in as a new user.</summary>
    public async Task<SignedInUser> NewUserAsync()
    {
        var client = CreateClient();
        var name = $"user-{Guid.NewGuid():N}";
        await client.RegisterAsync(name, ApiClient.Password);
        var tokens = await client.LoginAsync(name, ApiClient.Password);
        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
        return new SignedInUser(client, name, tokens);
    }

    /// <summary>The process that a resource is now.</summary>
    /// <param name="name">The name of the resource, such as <c>chat-2</c>.</param>
    public Task<Process> ProcessAsync(string name) => App.ProcessAsync(name);

    /// <summary>A client of the gateway that is signed in as the administrator.</summary>
    public async Task<HttpClient> AdminAsync()
    {
        var client = CreateClient();
        var tokens = await client.LoginAsync("admin", ApiClient.Password);
        client.DefaultRequestHeaders.Authorization = new("Bearer", tokens.Access);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }
}

/// <summary>Changes to the application before it starts.</summary>
internal static class AppHostChanges
{
    /// <summary>Changes all replicas of the chat service.</summary>
    public static void OfChat(
        this IDistributedApplicationTestingBuilder builder, Action<IResourceBuilder<ProjectResource>> change)
    {
        foreach (var chat in builder.Resources.OfType<ProjectResource>().Where(resource =>
            resource.Name.Split('-')[0] == "chat"))
        {
            change(builder.CreateResourceBuilder(chat));
        }
    }
}
