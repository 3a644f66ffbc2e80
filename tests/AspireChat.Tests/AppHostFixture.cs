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
    public static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);

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
                "--Storage=ephemeral", "--Replicas=2", $"--Parameters:admin-password={ApiClient.Password}",
                $"--AppHost:BrowserToken={DashboardApp.Token}", .. _options,
            ],
            (options, _) => options.DisableDashboard = !HasDashboard,
            cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        builder.Services.AddLogging(logging => logging.AddProvider(Output));
        _change?.Invoke(builder);
        _app = await builder.BuildAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        await _app.StartAsync(cancellationToken).WaitAsync(StartTimeout, cancellationToken);
        try
        {
            await _app.ResourceNotifications.WaitForResourceHealthyAsync("gateway", cancellationToken)
                .WaitAsync(StartTimeout, cancellationToken);
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

    /// <summary>The process that a replica is now; one that has just died is waited for to be started again.</summary>
    /// <param name="replica">The replica's id, such as <c>chat-1</c>; of what has one process, its name.</param>
    public async Task<Process> ProcessAsync(string replica)
    {
        Process? process = null;
        await App.ResourceNotifications.WaitForResourceAsync(
            replica.Split('-')[0],
            e => e.ResourceId == replica && (process = Find(e.Snapshot)) is not null,
            TestContext.Current.CancellationToken).WaitAsync(StartTimeout, TestContext.Current.CancellationToken);
        return process!;

        static Process? Find(CustomResourceSnapshot snapshot)
        {
            var id = snapshot.Properties.SingleOrDefault(property => property.Name == "executable.pid")?.Value;
            return Process.GetProcesses().SingleOrDefault(process => id is int number && process.Id == number);
        }
    }

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
