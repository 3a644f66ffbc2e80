using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Gateway.Description;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Tests;

/// <summary>The joined description while services come and go.</summary>
public sealed class DescriptionTests : IAsyncLifetime
{
    private const string Path = "/openapi/v1.json";

    private readonly TokenIssuer _issuer = new();
    private readonly StoppedClock _clock = new();
    private readonly List<Destination> _services = [];
    private GatewayServer _gateway = null!;
    private HttpClient _client = null!;
    private volatile bool _isChatDown;

    public async ValueTask InitializeAsync()
    {
        _services.Add(await Destination.StartAsync(
            context => IsAsked(context) ? DescribeAsync(context, "/api/login") : _issuer.ServeAsync(context)));
        _services.Add(await Destination.StartAsync(context => DescribeAsync(context, "/api/tokens")));
        _services.Add(await Destination.StartAsync(context =>
        {
            context.Response.StatusCode = _isChatDown ? 500 : 200;
            return _isChatDown ? Task.CompletedTask : DescribeAsync(context, "/api/chat");
        }));
        _gateway = new GatewayServer(
            services => services.AddSingleton<TimeProvider>(_clock),
            ("identity", _services[0].Address), ("ledger", _services[1].Address), ("chat", _services[2].Address));
        await _gateway.StartAsync();
        _client = _gateway.CreateClient();
    }

    [Fact]
    public async Task Description_OfAllServices_IsReadOnceForManyRequests()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _client.CallAsync("GET", Path))).Soon();
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        var document = await answers[0].Content.ReadFromJsonAsync<JsonObject>(
            TestContext.Current.CancellationToken).Soon();
        Assert.Equal(
            ["/api/chat", "/api/login", "/api/tokens"], document!["paths"]!.AsObject().Select(path => path.Key));
        Assert.All(_services, service => Assert.Equal(1, Asked(service)));

        _clock.Advance(JoinedDescription.Lifetime);
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!_services.TrueForAll(service => Asked(service) == 2))
        {
            using var old = await _client.CallAsync("GET", Path); // It is read while the last one is still given.
            Assert.Equal(HttpStatusCode.OK, old.StatusCode);
            patience.Token.ThrowIfCancellationRequested();
        }

    }

    [Fact]
    public async Task Description_WhileAServiceIsDown_IsTheLastGoodOne()
    {
        using var good = await _client.CallAsync("GET", Path);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        _isChatDown = true;
        _clock.Advance(JoinedDescription.Lifetime);
        using var kept = await _client.CallAsync("GET", Path);
        Assert.Equal(HttpStatusCode.OK, kept.StatusCode);
        Assert.Equal(
            await good.Content.ReadAsStringAsync(TestContext.Current.CancellationToken).Soon(),
            await kept.Content.ReadAsStringAsync(TestContext.Current.CancellationToken).Soon());
    }

    [Fact]
    public async Task Description_BeforeAllServicesAnswered_Is503UntilTheyDo()
    {
        _isChatDown = true;
        using var refused = await _client.CallAsync("GET", Path);
        await refused.ProblemAsync(HttpStatusCode.ServiceUnavailable);
        Assert.Equal("1", refused.Headers.GetValues("Retry-After").Single());

        _isChatDown = false;
        _clock.Advance(JoinedDescription.Pause);
        using var good = await _client.CallAsync("GET", Path);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        foreach (var service in _services)
        {
            await service.DisposeAsync();
        }

        _issuer.Dispose();
    }

    private static bool IsAsked(HttpContext context) => context.Request.Path == Path;

    private static int Asked(Destination service) => service.Reached.Count(request => request.Path == Path);

    private static Task DescribeAsync(HttpContext context, string path) => context.Response.WriteAsJsonAsync(
        new JsonObject
        {
            ["paths"] = new JsonObject
            {
                [path] = new JsonObject
                {
                    ["get"] = new JsonObject { ["tags"] = new JsonArray("A") },
                    ["post"] = new JsonObject { ["tags"] = new JsonArray("A") },
                },
            },
        });
}
