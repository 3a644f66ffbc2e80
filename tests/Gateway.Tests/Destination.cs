using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests;

/// <summary>
/// A real server on a random port that stands for a replica of a service and remembers what reached it.
/// </summary>
public sealed class Destination : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ReachedRequest> _reached = new();

    private Destination(Func<HttpContext, Task>? handle, Action<WebApplicationBuilder>? change)
    {
        var builder = WebApplication.CreateSlimBuilder();
        change?.Invoke(builder);
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        // The gateway's own probes are no requests of anybody's.
        _app.Map("/alive", () => TypedResults.StatusCode(Probe()));
        _app.Map("{**path}", async (HttpContext context) =>
        {
            var request = context.Request;
            _reached.Enqueue(new(
                request.Method, request.Path, request.QueryString.Value, request.Headers.Authorization));
            await (handle?.Invoke(context) ?? Task.CompletedTask);
        });
    }

    /// <summary>Where it listens.</summary>
    public string Address => _app.Urls.Single();

    /// <summary>Answers the gateway's probes; they do not count as requests.</summary>
    internal Func<int> Probe { get; set; } = () => StatusCodes.Status200OK;

    /// <summary>All requests so far, in order.</summary>
    internal IReadOnlyList<ReachedRequest> Reached => [.. _reached];

    /// <param name="handle">Answers a request; 200 without a body when null.</param>
    /// <param name="change">Makes the server another one.</param>
    public static async Task<Destination> StartAsync(
        Func<HttpContext, Task>? handle = null, Action<WebApplicationBuilder>? change = null)
    {
        var destination = new Destination(handle, change);
        await destination._app.StartAsync(TestContext.Current.CancellationToken).Soon();
        return destination;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

/// <summary>A request as a destination saw it.</summary>
internal sealed record ReachedRequest(string Method, string Path, string? Query, string? Authorization);
