using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Model;

namespace Gateway.Tests;

/// <summary>
/// A request goes to another replica if the dead one has not seen it, or if repeating it is harmless.
/// </summary>
public sealed class RetryTests : IAsyncLifetime
{
    private const int Down = 8;

    private readonly TokenIssuer _issuer = new();
    private readonly List<Socket> _down = [];
    private Destination _identity = null!;
    private Destination _chat = null!;
    private string? _body;

    public async ValueTask InitializeAsync()
    {
        _identity = await Destination.StartAsync(_issuer.ServeAsync);
        _chat = await Destination.StartAsync(async context =>
            _body = await new StreamReader(context.Request.Body).ReadToEndAsync(context.RequestAborted));
        for (var n = 0; n < Down; n++)
        {
            // Taken, and nobody listens.
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _down.Add(socket);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _down.ForEach(socket => socket.Dispose());
        await _identity.DisposeAsync();
        await _chat.DisposeAsync();
        _issuer.Dispose();
    }

    [Theory]
    [InlineData("GET", 0)]
    [InlineData("DELETE", 0)]
    [InlineData("POST", 100)] // Read beforehand (SmallBodies).
    [InlineData("POST", 30_000)]
    public async Task Request_ThatDidNotLeave_FindsTheReplicaThatIsUp(string method, int length)
    {
        await using var gateway = await StartAsync(_chat.Address);
        using var client = gateway.CreateClient();
        using var content = length > 0 ? JsonContent.Create(new { message = new string('x', length) }) : null;
        var sent = content is null ? "" : await content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        using var response = await client.CallAsync(method, "/api/chat", _issuer.CreateToken(), content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(_chat.Reached);
        Assert.Equal(sent, _body);
    }

    [Fact]
    public async Task Request_ThatMayHaveLeftUnseen_GoesToOneReplicaOnly()
    {
        await using var gateway = await StartAsync(_chat.Address);
        using var client = gateway.CreateClient();
        for (var n = 0; n < 10; n++)
        {
            using var response = await client.CallAsync("POST", "/api/chat", _issuer.CreateToken());
            if (response.StatusCode is not HttpStatusCode.OK)
            {
                await AssertNobodyThereAsync(response);
                return;
            }
        }

        Assert.Fail($"Ten times in a row the one of {Down + 1} replicas that is up was found at once.");
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Request_ToAServiceThatIsDown_IsAQuick503(string method)
    {
        await using var gateway = await StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync(method, "/api/chat", _issuer.CreateToken());
        await AssertNobodyThereAsync(response);
    }

    /// <summary>A host that says nothing, not even that nobody listens.</summary>
    [Fact]
    public async Task Request_ToAReplicaThatLetsNobodyIn_IsA503()
    {
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var waiting = Enumerable.Range(0, 4)
            .Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        waiting.ForEach(socket => _ = socket.ConnectAsync(full.LocalEndPoint!)); // More than the system lets wait.
        _down.ForEach(socket => socket.Dispose());
        _down.Clear();
        _down.Add(full);
        await using var gateway = await StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("GET", "/api/chat", _issuer.CreateToken());
        await AssertNobodyThereAsync(response);
        waiting.ForEach(socket => socket.Dispose());
    }

    [Theory]
    [InlineData("GET", 0, null)]
    [InlineData("DELETE", 0, null)]
    [InlineData("POST", 100, "key")]
    [InlineData("POST", 16_000, "key")]
    public async Task Request_WhoseConnectionBroke_GoesToAnotherReplicaIfTwiceIsOnce(
        string method, int length, string? key)
    {
        await using var broken = await Destination.StartAsync(Abort);
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("chat", broken.Address), ("chat", _chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add(IdempotencyKey.Header, key is null ? [] : [key]);
        for (var n = 0; broken.Reached.Count == 0; n++)
        {
            Assert.InRange(n, 0, 100);
            using var content = length > 0 ? JsonContent.Create(new { message = new string('x', length) }) : null;
            using var response = await client.CallAsync(method, "/api/chat", _issuer.CreateToken(), content);
            var sent = content is null ? "" : await content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(n + 1, _chat.Reached.Count);
            Assert.Equal(sent, _body);
        }
    }

    [Theory]
    [InlineData("POST", null, 1)]
    [InlineData("GET", null, 2)]
    [InlineData("POST", "key", 2)]
    [InlineData("POST", "key", 1, 30_000)] // It was not kept.
    public async Task Request_ThatBreaksConnections_ReachesFewReplicas(
        string method, string? key, int reached, int length = 2)
    {
        await using var first = await Destination.StartAsync(Abort);
        await using var second = await Destination.StartAsync(Abort);
        await using var third = await Destination.StartAsync(Abort);
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("chat", first.Address), ("chat", second.Address),
            ("chat", third.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add(IdempotencyKey.Header, key is null ? [] : [key]);
        using var content = method == "GET" ? null : JsonContent.Create(new { message = new string('x', length) });
        using var response = await client.CallAsync(method, "/api/chat", _issuer.CreateToken(), content);
        await response.ProblemAsync(HttpStatusCode.BadGateway);
        Assert.Equal(reached, first.Reached.Count + second.Reached.Count + third.Reached.Count);
    }

    /// <summary>Identity reads no key: two calls would make two API keys.</summary>
    [Theory]
    [InlineData("/api/keys", "identity", null)]
    [InlineData("/api/chat", "chat", IdempotencyKey.Header)] // Such a header is not sent on.
    public async Task Key_ThatTheServiceDoesNotGet_MakesNothingRepeatable(
        string path, string service, string? connection)
    {
        await using var first = await Destination.StartAsync(AbortPost);
        await using var second = await Destination.StartAsync(AbortPost);
        await using var gateway = new GatewayServer(
            [
                .. service == "identity" ? [] : new[] { ("identity", _identity.Address) },
                (service, first.Address), (service, second.Address),
            ]);
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add(IdempotencyKey.Header, "key");
        client.DefaultRequestHeaders.Connection.TryParseAdd(connection);
        using var content = JsonContent.Create(new { name = "hi" });
        using var response = await client.CallAsync("POST", path, _issuer.CreateToken(), content);
        await response.ProblemAsync(HttpStatusCode.BadGateway);
        Assert.Single(first.Reached.Concat(second.Reached), request => request.Path == path);

        Task AbortPost(HttpContext context) =>
            context.Request.Path == path ? Abort(context) : _issuer.ServeAsync(context);
    }

    /// <summary>Without one that is left the proxy takes all, also those that are known to be down.</summary>
    [Fact]
    public async Task Replicas_ThatAllBreakConnections_AreNotAllLeftOut()
    {
        await using var first = await Destination.StartAsync(Abort);
        await using var second = await Destination.StartAsync(Abort);
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("chat", first.Address), ("chat", second.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        Assert.True(gateway.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("chat", out var cluster));
        var replicas = cluster.DestinationsState.AllDestinations;
        for (var n = 1; n <= 5; n++)
        {
            using var content = JsonContent.Create(new { message = "hi" });
            using var response = await client.CallAsync("POST", "/api/chat", _issuer.CreateToken(), content);
            await response.ProblemAsync(HttpStatusCode.BadGateway);
            Assert.Equal(n, first.Reached.Count + second.Reached.Count);
            Assert.Contains(replicas, replica => replica.Health.Passive is not DestinationHealth.Unhealthy);
        }
    }

    /// <summary>A replica that is told to stop refuses what comes, and has done nothing.</summary>
    [Theory]
    [InlineData(100, HttpStatusCode.OK)]
    [InlineData(30_000, HttpStatusCode.ServiceUnavailable)] // It was not kept.
    public async Task Request_ToAReplicaThatDrains_GoesToAnother(int length, HttpStatusCode expected)
    {
        await using var draining = await Destination.StartAsync(DrainAsync);
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("chat", draining.Address), ("chat", _chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        for (var n = 0; draining.Reached.Count == 0; n++)
        {
            Assert.InRange(n, 0, 100);
            using var content = JsonContent.Create(new { message = new string('x', length) });
            using var response = await client.CallAsync("POST", "/api/chat", _issuer.CreateToken(), content);
            Assert.Equal(draining.Reached.Count == 0 ? HttpStatusCode.OK : expected, response.StatusCode);
            Assert.False(response.Headers.Contains(Draining.Header));
        }
    }

    /// <summary>It says so before it refuses, so that also what the gateway cannot keep is not lost.</summary>
    [Fact]
    public async Task Replica_ThatSaysOnceThatItStops_IsLeftOutAtOnce()
    {
        await using var stopping = await Destination.StartAsync();
        await using var gateway = new GatewayServer(
            ("identity", _identity.Address), ("chat", stopping.Address), ("chat", _chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        Assert.True(gateway.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("chat", out var cluster));
        var refusals = 0;
        stopping.Probe = () =>
        {
            refusals++;
            return StatusCodes.Status503ServiceUnavailable;
        };
        while (cluster.DestinationsState.AvailableDestinations.Count > 1)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken).Soon();
        }

        Assert.InRange(refusals, 1, 2);
        for (var n = 0; n < 20; n++)
        {
            using var content = JsonContent.Create(new { message = new string('x', 100_000) });
            using var response = await client.CallAsync("POST", "/api/chat", _issuer.CreateToken(), content);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        Assert.Empty(stopping.Reached);
    }

    [Fact]
    public async Task Request_ToReplicasThatAllDrain_IsA503()
    {
        await using var draining = await Destination.StartAsync(DrainAsync);
        await using var gateway = new GatewayServer(("identity", _identity.Address), ("chat", draining.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var content = JsonContent.Create(new { message = "hi" });
        using var response = await client.CallAsync("POST", "/api/chat", _issuer.CreateToken(), content);
        await AssertNobodyThereAsync(response);
        Assert.Single(draining.Reached);
    }

    private static async Task DrainAsync(HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        context.Response.Headers[Draining.Header] = "true";
    }

    private static Task Abort(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    private static async Task AssertNobodyThereAsync(HttpResponseMessage response)
    {
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter?.Delta);
        await response.ProblemAsync(HttpStatusCode.ServiceUnavailable);
    }

    private async Task<GatewayServer> StartAsync(params string[] up)
    {
        // Without probes, which would find out before the first request.
        var gateway = new GatewayServer(
            services => services.RemoveAll<IProxyConfigFilter>(),
            [
                ("identity", _identity.Address),
                .. _down.Select(socket => ("chat", $"http://{socket.LocalEndPoint}")),
                .. up.Select(address => ("chat", address)),
            ]);
        await gateway.StartAsync();
        return gateway;
    }
}
