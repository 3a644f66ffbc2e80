using System.Net;
using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Dashboard;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aspire.Local.Tests;

/// <summary>Whether there is a dashboard, where it listens, where telemetry goes, and what is not shown.</summary>
public sealed class DashboardSetupTests
{
    private const string Pages = "http://localhost:23456";

    [Theory]
    [InlineData(true)]
    [InlineData(true, "ASPNETCORE_URLS", Pages, "Aspire:Local:Dashboard", "true")]
    [InlineData(false, "ASPNETCORE_URLS", "")]
    [InlineData(false, "Aspire:Local:Dashboard", "false")]
    public async Task Dashboard_BySettings_IsThereOrNot(bool isThere, params string[] settings)
    {
        var setup = await SetUpAsync(settings);
        Assert.Equal(isThere, setup.Resource is not null);
    }

    [Fact]
    public async Task Endpoints_WithoutOtherSettings_AreAspires()
    {
        var setup = await SetUpAsync();
        Assert.Equal(
            ["http: 23456", "otlp-grpc: 18889", "otlp-http: 18890"],
            Endpoints(setup).Select(endpoint => $"{endpoint.Name}: {endpoint.Port}"));
    }

    [Fact]
    public async Task Endpoint_WhosePortIsTaken_GivesWay()
    {
        using var taken = Listen(out var port);
        var setup = await SetUpAsync("ASPNETCORE_URLS", $"http://localhost:{port}");
        setup.GiveWayToOthers(NullLogger.Instance);
        Assert.Null(Endpoints(setup).Single(endpoint => endpoint.Name == "http").Port);
    }

    [Fact]
    public async Task Telemetry_WithABackEndThatListens_GoesThere()
    {
        using var backEnd = Listen(out var port);
        var url = $"http://localhost:{port}";
        var setup = await SetUpAsync("ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", url);
        Assert.DoesNotContain(Endpoints(setup), endpoint => endpoint.Name == "otlp-grpc");
        Assert.Equal(url, setup.OtlpUrl);
        Assert.Null(setup.OtlpHeaders); // The dashboard's key is nobody else's business.
    }

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public async Task Telemetry_WithABackEndElsewhere_GoesThere(string dashboard)
    {
        const string BackEnd = "http://collector.example:4317";
        var setup = await SetUpAsync(
            "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", BackEnd, "Aspire:Local:Dashboard", dashboard);
        Assert.Equal(BackEnd, setup.OtlpUrl);
    }

    [Theory]
    [InlineData("ASPNETCORE_URLS", "localhost")]
    [InlineData("ASPNETCORE_URLS", "localhost:18888")]
    [InlineData("ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL", "localhost:4317")]
    [InlineData("ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL", "4318")]
    public async Task Address_ThatIsNone_StopsTheStartWithASentence(string setting, string url)
    {
        var refused = await Assert.ThrowsAsync<DistributedApplicationException>(() => SetUpAsync(setting, url));
        Assert.Contains($"'{url}' is no address for the dashboard", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ConnectionStrings__db", "Host=h;Password=s3cret&;Database=d", "Host=h;Password=••••••••;Database=d")]
    [InlineData("DB_URI", "postgresql://u:s3cret%26@h/d", "postgresql://u:••••••••@h/d")]
    [InlineData("OTHER", "a s3cret& b", "a •••••••• b")]
    [InlineData("OUTSIDE", "Server=h;Pwd='of;another';X=1", "Server=h;Pwd=••••••••;X=1")]
    [InlineData("OUTSIDE_URI", "amqp://u:another@h", "amqp://u:••••••••@h")]
    [InlineData("MY_API_KEY", "whatever", "••••••••")]
    [InlineData("Admin__Password", "whatever", "••••••••")]
    [InlineData("ASPNETCORE_URLS", "http://localhost:8080", "http://localhost:8080")]
    [InlineData("EMPTY_SECRET", "", "")]
    public async Task Variable_WithASecret_IsMasked(string name, string value, string expected)
    {
        var parameters = new IResource[] { new ParameterResource("secret", _ => "s3cret&", secret: true) };
        var mask = await SecretMask.OfAsync(parameters, [], TestContext.Current.CancellationToken);
        Assert.Equal((expected, expected != value), mask.Apply(name, value));
    }

    [Fact]
    public async Task Line_WithASecret_IsMasked()
    {
        var parameters = new IResource[] { new ParameterResource("secret", _ => "s3cret&", secret: true) };
        var mask = await SecretMask.OfAsync(parameters, ["token"], TestContext.Current.CancellationToken);
        Assert.Equal("to ••••••••: •••••••• is wrong", mask.Apply("to s3cret%26: token is wrong"));
    }

    [Theory]
    [InlineData("the key is s3cret-k", "the key is ")]
    [InlineData("the key is s3cret-key", "the key is ")]
    [InlineData("s3cret-key and s3cret", "•••••••• and ")]
    [InlineData("the key is s3cret-kez", "the key is s3cret-kez")]
    [InlineData("hello-wors", "")] // The beginning of one stands in another.
    [InlineData("", "")]
    public async Task Line_CutWithinASecret_ShowsNothingOfIt(string cut, string expected)
    {
        string[] secrets = ["s3cret-key", "hello-world", "wors3"];
        var mask = await SecretMask.OfAsync([], secrets, TestContext.Current.CancellationToken);
        Assert.Equal(expected, mask.ApplyToCut(cut));
        var none = await SecretMask.OfAsync([], [], TestContext.Current.CancellationToken);
        Assert.Equal(cut, none.ApplyToCut(cut));
    }

    private static IEnumerable<EndpointAnnotation> Endpoints(DashboardSetup setup) =>
        setup.Resource!.Annotations.OfType<EndpointAnnotation>();

    private static Socket Listen(out int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return socket;
    }

    /// <summary>The dashboard of the real AppHost, with settings of a test's own; nothing is started.</summary>
    private static async Task<DashboardSetup> SetUpAsync(params string[] settings)
    {
        await using var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AppHost>(
            TestContext.Current.CancellationToken).WaitAsync(TestApp.Timeout);
        var values = new Dictionary<string, string?> { ["ASPNETCORE_URLS"] = Pages };
        foreach (var pair in settings.Chunk(2))
        {
            values[pair[0]] = pair[1];
        }

        var setup = new DashboardSetup(new ConfigurationBuilder().AddInMemoryCollection(values).Build());
        setup.AddTo(builder, isTest: false);
        return setup;
    }
}
