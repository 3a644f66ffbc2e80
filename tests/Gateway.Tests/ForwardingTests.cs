using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace Gateway.Tests;

/// <summary>Replicas, destinations that fail, bodies that are too large, and answers on their way back.</summary>
public sealed class ForwardingTests(GatewayFixture system)
{
    // Just over the limit of 256 KiB.
    private const int TooLarge = (256 * 1024) + 1;

    private readonly HttpClient _client = system.Gateway.CreateClient();
    private readonly string _query = $"?test={Guid.NewGuid():N}";
    private readonly string _token = system.Issuer.CreateToken();

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_ToAServiceWithTwoReplicas_ReachBoth()
    {
        for (var n = 0; n < 50; n++)
        {
            using var response = await _client.CallAsync("GET", "/api/chat" + _query, _token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        var counts = system.Replicas("chat")
            .Select(replica => replica.Reached.Count(request => request.Query == _query)).ToList();
        Assert.Equal(50, counts.Sum());
        Assert.DoesNotContain(0, counts);
    }

    [Fact]
    public async Task Destinations_OfAService_AreAllItsReplicasAndFollowItsChanges()
    {
        await using var gateway = new GatewayServer(("chat", "http://127.0.0.1:1"), ("chat", "http://127.0.0.1:2"));
        await gateway.StartAsync();
        var resolver = gateway.Services.GetRequiredService<IDestinationResolver>();
        var before = await ResolveAsync(resolver);
        Assert.Equal(["http://127.0.0.1:1/", "http://127.0.0.1:2/"], Addresses(before));

        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watch = before.ChangeToken!.RegisterChangeCallback(_ => changed.TrySetResult(), state: null);
        var configuration = (IConfigurationRoot)gateway.Services.GetRequiredService<IConfiguration>();
        configuration["services:chat:http:1"] = "http://127.0.0.1:3";
        configuration.Reload();
        await changed.Task.Soon();
        Assert.Equal(["http://127.0.0.1:1/", "http://127.0.0.1:3/"], Addresses(await ResolveAsync(resolver)));
    }

    [Fact]
    public async Task Destination_ThatIsDown_Is503WithASentence()
    {
        // Nothing listens on port 1.
        await using var gateway = await StartAsync("http://127.0.0.1:1");
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("GET", "/api/chat", _token);
        await response.ProblemAsync(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task Destination_ThatHangsUp_Is502WithASentence()
    {
        await using var chat = await Destination.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        using var content = JsonContent.Create(new { message = "hi" });
        using var response = await client.CallAsync("POST", "/api/chat", _token, content);
        await response.ProblemAsync(HttpStatusCode.BadGateway);
        // A POST is not repeated: it could charge twice.
        Assert.Single(chat.Reached);
    }

    [Fact]
    public async Task Identity_ThatIsDown_LetsNobodyIn()
    {
        await using var chat = await Destination.StartAsync();
        await using var gateway = new GatewayServer(("identity", "http://127.0.0.1:1"), ("chat", chat.Address));
        await gateway.StartAsync();
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("GET", "/api/chat", _token);
        Assert.False(response.IsSuccessStatusCode, $"Got {response.StatusCode}.");
        Assert.Empty(chat.Reached);
    }

    [Theory]
    [InlineData("203.0.113.7")]
    [InlineData("203.0.113.7, 127.0.0.1")]
    [InlineData("127.0.0.1")]
    public async Task ForwardedAddress_MadeUpByAClient_IsReplacedByTheClientsOwn(string madeUp)
    {
        string? seen = null;
        await using var chat = await Destination.StartAsync(context =>
        {
            seen = context.Request.Headers["X-Forwarded-For"];
            return Task.CompletedTask;
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.Add("X-Forwarded-For", madeUp);
        using var response = await client.CallAsync("GET", "/api/chat", _token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.True(IPAddress.TryParse(seen, out var address) && IPAddress.IsLoopback(address), seen);
    }

    [Fact]
    public async Task Problem_OfADestination_ComesBackUnchanged()
    {
        await using var chat = await Destination.StartAsync(async context =>
        {
            context.Response.Headers.RetryAfter = "1";
            context.Response.StatusCode = StatusCodes.Status402PaymentRequired;
            await context.Response.WriteAsJsonAsync(
                new { status = 402, code = "insufficient_tokens" },
                JsonSerializerOptions.Web,
                "application/problem+json");
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", "/api/chat", _token);
        Assert.Equal(HttpStatusCode.PaymentRequired, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter?.Delta);
        Assert.Equal(
            """{"status":402,"code":"insufficient_tokens"}""",
            await response.Content.ReadAsStringAsync(CancellationToken).Soon());
    }

    [Fact]
    public async Task Stream_OfADestination_ArrivesPieceByPiece()
    {
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var chat = await Destination.StartAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: one\n\n");
            await context.Response.Body.FlushAsync();
            // A gateway that waits for the whole answer never sees this line.
            await arrived.Task.WaitAsync(context.RequestAborted);
            await context.Response.WriteAsync("data: two\n\n");
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        using var response = await client.CallAsync("POST", "/api/chat", _token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(CancellationToken).Soon());
        Assert.Equal("data: one", await reader.ReadLineAsync(CancellationToken).AsTask().Soon());
        arrived.SetResult();
        Assert.Equal("\ndata: two\n\n", await reader.ReadToEndAsync(CancellationToken).Soon());
    }

    /// <summary>A model may be given ten minutes, in which an answer that is no stream has nothing to say.</summary>
    [Fact]
    public void Chat_ThatThinksForLong_IsWaitedForLongerThanAnyModel()
    {
        var proxy = system.Gateway.Services.GetRequiredService<IProxyConfigProvider>().GetConfig();
        var chat = proxy.Clusters.Single(cluster => cluster.ClusterId == "chat");
        Assert.True(chat.HttpRequest?.ActivityTimeout > TimeSpan.FromMinutes(10));
        Assert.Equal(
            ["chat-export", "chat-send", "openai-send"],
            proxy.Routes.Where(route => route.TimeoutPolicy == "Disable").Select(route => route.RouteId).Order());
    }

    [Fact]
    public async Task Caller_WhoGoes_IsGoneForTheDestinationToo()
    {
        var noticed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var chat = await Destination.StartAsync(async context =>
        {
            context.RequestAborted.Register(() => noticed.TrySetResult());
            reached.TrySetResult();
            await noticed.Task;
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        var call = client.CallAsync("POST", "/api/chat", _token);
        await reached.Task.Soon();
        client.CancelPendingRequests();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await noticed.Task.Soon();
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/login")]
    public async Task Body_OverTheLimit_Is413AndReachesNobody(string path)
    {
        using var content = new ByteArrayContent(new byte[TooLarge]);
        using var response = await _client.CallAsync("POST", path + _query, _token, content);
        await response.ProblemAsync(HttpStatusCode.RequestEntityTooLarge);
        Assert.Empty(system.Reached(_query));
    }

    [Fact]
    public async Task Body_OfExactlyTheLimit_IsSentOn()
    {
        using var content = new ByteArrayContent(new byte[TooLarge - 1]);
        using var response = await _client.CallAsync("POST", "/api/chat" + _query, _token, content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(system.Reached(_query));
    }

    [Fact]
    public async Task Body_OverTheLimitThatDoesNotSayItsLength_Is413()
    {
        var whole = false;
        await using var chat = await Destination.StartAsync(async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            Volatile.Write(ref whole, true);
        });
        await using var gateway = await StartAsync(chat.Address);
        using var client = gateway.CreateClient();
        client.DefaultRequestHeaders.TransferEncodingChunked = true;
        using var content = new ByteArrayContent(new byte[TooLarge]);
        using var response = await client.CallAsync("POST", "/api/chat", _token, content);
        await response.ProblemAsync(HttpStatusCode.RequestEntityTooLarge);
        Assert.False(Volatile.Read(ref whole), "The destination has got a whole body.");
    }

    private static IEnumerable<string> Addresses(ResolvedDestinationCollection resolved) =>
        resolved.Destinations.Values.Select(destination => new Uri(destination.Address).ToString()).Order();

    private static async Task<ResolvedDestinationCollection> ResolveAsync(IDestinationResolver resolver) =>
        await resolver.ResolveDestinationsAsync(
            new Dictionary<string, DestinationConfig> { ["all"] = new() { Address = "http://chat" } },
            CancellationToken).AsTask().Soon();

    /// <summary>A gateway before the shared identity service and one chat service.</summary>
    private async Task<GatewayServer> StartAsync(string chat)
    {
        var gateway = new GatewayServer(("identity", system.Replicas("identity")[0].Address), ("chat", chat));
        await gateway.StartAsync();
        return gateway;
    }
}
