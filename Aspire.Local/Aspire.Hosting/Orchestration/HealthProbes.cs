using System.Net;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Orchestration;

/// <summary>Ways to ask a replica how it is.</summary>
internal static class HealthProbes
{
    private static readonly HttpClient Client = new() { Timeout = TimeSpan.FromSeconds(5) };

    /// <summary>A GET that must be answered with a status.</summary>
    public static Func<int, CancellationToken, Task<bool>> Http(
        IResourceWithEndpoints resource, string? endpointName, string path, HttpStatusCode expected) =>
        async (replica, cancellationToken) =>
        {
            var endpoint = resource.Annotations.OfType<EndpointAnnotation>().FirstOrDefault(endpoint =>
                endpointName is null ? endpoint.UriScheme is "http" or "https" : endpoint.Name == endpointName)
                ?? throw new DistributedApplicationException(
                    $"Could not create HTTP health check for resource '{resource.Name}' as it has no such endpoint.");
            var url = endpoint.ReplicaUrls.ElementAt(replica) + path;
            using var response = await Client.GetAsync(
                url, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return response.StatusCode == expected;
        };
}
