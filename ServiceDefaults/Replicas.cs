using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.ServiceDiscovery;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Which replica a call to another service goes to: each in its turn. One where nobody listens is left out for one
/// second, and the call goes to the next at once, which is safe for calls with a body and for repeatable ones: nothing
/// has been done.
/// </summary>
/// <param name="resolver">Knows the replicas.</param>
/// <param name="time">Tells the time.</param>
internal sealed class Replicas(ServiceEndpointResolver resolver, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _pausedUntil = new();
    private uint _next;

    /// <summary>The replicas of a service, in the order to try; those left out come last.</summary>
    /// <param name="service">The service's address, such as <c>http://ledger/holds</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<IReadOnlyList<Uri>> OfAsync(Uri service, CancellationToken cancellationToken)
    {
        var source = await resolver.GetEndpointsAsync(service.GetLeftPart(UriPartial.Authority), cancellationToken);
        var all = source.Endpoints.Select(endpoint => new Uri(endpoint.AddressOf(service))).ToList();
        if (all.Count < 2)
        {
            return all;
        }

        var first = (int)(Interlocked.Increment(ref _next) % (uint)all.Count);
        var now = time.GetUtcNow();
        return
        [
            .. all.Skip(first).Concat(all.Take(first)).OrderBy(replica =>
                _pausedUntil.TryGetValue(replica.Authority, out var until) && until > now),
        ];
    }

    /// <summary>Leaves a replica out for a while.</summary>
    public void PauseFor(Uri replica) => _pausedUntil[replica.Authority] = time.GetUtcNow() + Pause;
}

/// <summary>Sends each request to one of a service's replicas.</summary>
internal sealed class ReplicaHandler(Replicas replicas) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var service = request.RequestUri!;
        var candidates = await replicas.OfAsync(service, cancellationToken);
        try
        {
            for (var tries = 1; tries < candidates.Count; tries++)
            {
                var replica = request.RequestUri = candidates[tries - 1];
                try
                {
                    return await base.SendAsync(request, cancellationToken);
                }
                catch (HttpRequestException exception)
                    when (exception.HttpRequestError is HttpRequestError.ConnectionError)
                {
                    replicas.PauseFor(replica);
                }
                catch (OperationCanceledException)
                {
                    replicas.PauseFor(replica); // It may be frozen: the next attempt, and others, go elsewhere.
                    throw;
                }
            }

            request.RequestUri = candidates.Count > 0 ? candidates[^1] : service;
            return await base.SendAsync(request, cancellationToken);
        }
        finally
        {
            request.RequestUri = service; // A retry begins anew.
        }
    }
}

/// <summary>Finds replicas by service discovery.</summary>
public static class ReplicasExtensions
{
    /// <summary>Lets every HTTP client find services by name: <c>http://ledger</c>.</summary>
    /// <param name="http">The client's builder.</param>
    /// <returns>The same builder.</returns>
    public static IHttpClientBuilder AddReplicas(this IHttpClientBuilder http) =>
        http.AddHttpMessageHandler(services => new ReplicaHandler(services.GetRequiredService<Replicas>()));

    /// <summary>The address of a replica, in place of the service's.</summary>
    /// <param name="endpoint">The replica: "host:port", or a URL when the service was given as one.</param>
    /// <param name="service">The service's address.</param>
    /// <returns>The address.</returns>
    public static string AddressOf(this ServiceEndpoint endpoint, Uri service)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(service);
        var text = endpoint.ToString()!;
        var authority = text.Contains("://", StringComparison.Ordinal) ? text : $"{service.Scheme}://{text}";
        return authority.TrimEnd('/') + service.PathAndQuery;
    }
}
