using Yarp.ReverseProxy.Transforms;
using Yarp.ReverseProxy.Transforms.Builder;

namespace Gateway.Edge;

/// <summary>
/// Passes on only the headers that services know. What else a client sends, and above all who it says it is or where
/// it says it comes from, ends here. The proxy sets <c>X-Forwarded-*</c> and the trace's headers anew.
/// </summary>
internal sealed class KnownHeaders : ITransformProvider
{
    private static readonly HashSet<string> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Length", "Content-Type",
        IdempotencyKey.Header, "User-Agent",
    };

    public void ValidateRoute(TransformRouteValidationContext context)
    {
    }

    public void ValidateCluster(TransformClusterValidationContext context)
    {
    }

    public void Apply(TransformBuilderContext context)
    {
        context.AddRequestHeadersAllowed([.. Known]);
        context.AddRequestTransform(RemoveOfConnectionAsync);
    }

    /// <summary>
    /// A header that <c>Connection</c> names is for the next server alone (RFC 9110, 7.6.1). Others end here in any
    /// case, and what is no name at all must not be looked for.
    /// </summary>
    private static ValueTask RemoveOfConnectionAsync(RequestTransformContext context)
    {
        var names = context.HttpContext.Request.Headers.GetCommaSeparatedValues("Connection");
        foreach (var name in names.Where(Known.Contains))
        {
            RequestTransform.RemoveHeader(context, name);
        }

        return default;
    }
}

/// <summary>Registers the transform.</summary>
internal static class KnownHeadersExtensions
{
    /// <summary>Passes on only the headers that services know.</summary>
    public static IReverseProxyBuilder AddKnownHeaders(this IReverseProxyBuilder proxy) =>
        proxy.AddTransforms<KnownHeaders>();
}
