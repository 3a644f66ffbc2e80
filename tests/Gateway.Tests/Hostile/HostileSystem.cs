using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Tests.Hostile;

/// <summary>
/// A gateway of these tests' own, before one replica of each service, which read requests to their end as the real ones
/// do, and remember them.
/// </summary>
public sealed class HostileSystem : IAsyncLifetime
{
    private static readonly string[] Names = ["identity", "ledger", "chat"];

    private readonly TokenIssuer _issuer = new();
    private readonly Dictionary<string, Destination> _services = [];
    private readonly ConcurrentQueue<string> _reached = [];
    private GatewayServer? _gateway;

    /// <summary>Where the gateway listens.</summary>
    public Uri Address => _gateway!.ClientOptions.BaseAddress;

    /// <summary>A token of a user, whom the gateway lets do all that users may.</summary>
    public string Token => field ??= _issuer.CreateToken();

    public async ValueTask InitializeAsync()
    {
        foreach (var name in Names)
        {
            _services[name] = await Destination.StartAsync(context => ServeAsync(name, context));
        }

        _gateway = new([.. _services.Select(service => (service.Key, service.Value.Address))]);
        await _gateway.With("Limits:Enabled", "false").StartAsync();
    }

    /// <summary>What has reached the services since the last time, with targets as they were on the wire.</summary>
    internal string TakeReached()
    {
        var reached = string.Join(" + ", _reached);
        _reached.Clear();
        return reached;
    }

    public async ValueTask DisposeAsync()
    {
        await (_gateway?.DisposeAsync() ?? ValueTask.CompletedTask);
        foreach (var service in _services.Values)
        {
            await service.DisposeAsync();
        }

        _issuer.Dispose();
    }

    private async Task ServeAsync(string service, HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        if (!context.Request.Headers.ContainsKey("X-Forwarded-For"))
        {
            await _issuer.ServeAsync(context); // The gateway itself, which asks for the keys of tokens.
            return;
        }

        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        _reached.Enqueue($"{service}: {context.Request.Method} {target}");
    }
}
