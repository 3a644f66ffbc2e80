using System.Collections.Immutable;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>The URLs that are shown for a resource.</summary>
internal static class ResourceUrls
{
    /// <summary>
    /// Leaves the resource with one annotation per URL: its endpoints' addresses and the given ones, all as changed.
    /// </summary>
    public static void Resolve(IResource resource, ILogger logger)
    {
        var given = resource.Annotations.OfType<ResourceUrlAnnotation>().ToList();
        List<ResourceUrlAnnotation> urls = [.. OfEndpoints(resource), .. given];
        try
        {
            foreach (var annotation in resource.Annotations.OfType<ResourceUrlsChangeAnnotation>())
            {
                annotation.Change(urls, logger);
            }
        }
        catch (Exception exception)
        {
            // What is only shown must not keep a resource from starting.
            logger.LogError(exception, "The URLs of {Resource} could not be changed", resource.Name);
        }

        foreach (var url in urls.Where(url => url.Endpoint is not null && url.Url.StartsWith('/')))
        {
            url.Url = url.Endpoint!.Url + url.Url;
        }

        given.ForEach(url => resource.Annotations.Remove(url));
        urls.ForEach(resource.Annotations.Add);
    }

    /// <summary>The URLs for those who watch the resource.</summary>
    /// <param name="resource">The resource, whose URLs are resolved.</param>
    /// <param name="state">Its state; its URLs are of use while it runs.</param>
    public static ImmutableArray<UrlSnapshot> Of(IResource resource, string state) =>
    [
        .. resource.Annotations.OfType<ResourceUrlAnnotation>().Select(url => new UrlSnapshot(
            url.Endpoint?.EndpointName, url.Url, url.DisplayLocation == UrlDisplayLocation.DetailsOnly)
        {
            IsInactive = state != KnownResourceStates.Running,
            DisplayProperties = new(url.DisplayText ?? ""),
        }),
    ];

    private static IEnumerable<ResourceUrlAnnotation> OfEndpoints(IResource resource) =>
        resource is not IResourceWithEndpoints owner ? [] : resource.Annotations.OfType<EndpointAnnotation>()
            .Select(endpoint => new EndpointReference(owner, endpoint.Name))
            .Select(endpoint => new ResourceUrlAnnotation { Url = endpoint.Url, Endpoint = endpoint });
}

/// <summary>Changes the URLs shown for a resource, once its endpoints have addresses.</summary>
/// <param name="Change">Changes them.</param>
internal sealed record ResourceUrlsChangeAnnotation(Action<List<ResourceUrlAnnotation>, ILogger> Change)
    : IResourceAnnotation;
