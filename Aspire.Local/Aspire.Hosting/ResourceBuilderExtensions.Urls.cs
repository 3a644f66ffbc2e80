using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting;

/// <content>What is shown of a resource.</content>
public static partial class ResourceBuilderExtensions
{
    /// <summary>Shows a URL for the resource. Each endpoint's own URL is shown without being asked for.</summary>
    /// <typeparam name="T">The resource's type.</typeparam>
    /// <param name="builder">The resource.</param>
    /// <param name="url">The URL; a relative one changes the path of all the resource's URLs.</param>
    /// <param name="displayText">The text shown in its place.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<T> WithUrl<T>(
        this IResourceBuilder<T> builder, string url, string? displayText = null) where T : IResource
    {
        ArgumentNullException.ThrowIfNull(url);
        if (!Uri.TryCreate(url, UriKind.Relative, out var path))
        {
            return builder.WithAnnotation(new ResourceUrlAnnotation { Url = url, DisplayText = displayText });
        }

        return builder.WithAnnotation(new ResourceUrlsChangeAnnotation((urls, _) =>
        {
            foreach (var shown in urls)
            {
                if (Uri.TryCreate(shown.Url, UriKind.Absolute, out var before)
                    && Uri.TryCreate(before, path, out var after))
                {
                    shown.Url = after.ToString();
                    shown.DisplayText = displayText ?? shown.DisplayText;
                }
            }
        }));
    }

    /// <summary>Changes the URL that is shown for an endpoint, once the endpoint has an address.</summary>
    /// <typeparam name="T">The resource's type.</typeparam>
    /// <param name="builder">The resource.</param>
    /// <param name="endpointName">The endpoint; a warning is logged when there is none of that name.</param>
    /// <param name="callback">Changes it. A URL that starts with a slash goes on from the endpoint's address.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<T> WithUrlForEndpoint<T>(
        this IResourceBuilder<T> builder, string endpointName, Action<ResourceUrlAnnotation> callback)
        where T : IResource => builder.WithAnnotation(new ResourceUrlsChangeAnnotation((urls, logger) =>
        {
            if (urls.Find(url => url.Endpoint?.EndpointName == endpointName) is { } shown)
            {
                callback(shown);
            }
            else
            {
                logger.LogWarning(
                    "{Resource} has no endpoint '{Endpoint}' whose URL could be changed",
                    builder.Resource.Name, endpointName);
            }
        }));
}
