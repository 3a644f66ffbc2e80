using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace Gateway.Routing;

/// <summary>
/// What happens when a replica is gone. A request that did not leave goes to another one, and so does, once, a request
/// whose connection broke, if sending it twice does it once. If no replica is left, the answer is a quick 503.
/// </summary>
internal static class Retries
{
    /// <summary>How long a connection to a replica may take to open.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Maps the routes, with retries around the choice of a replica.</summary>
    public static void MapRoutes(this WebApplication app) => app.MapReverseProxy(proxy =>
    {
        proxy.Use(ForwardAsync);
        proxy.UseLoadBalancing();
        proxy.UsePassiveHealthChecks();
    });

    private static async Task ForwardAsync(HttpContext context, RequestDelegate next)
    {
        var proxy = context.GetReverseProxyFeature();
        var untried = proxy.AvailableDestinations.ToHashSet();
        var isBroken = false;
        await context.Request.ReadSmallBodyAsync(context.RequestAborted);
        await next(context);
        while (MayGoElsewhere() && untried.Remove(proxy.ProxiedDestination!) && untried.Count > 0)
        {
            isBroken |= IsBroken(context); // Once: a request that ends processes does not meet all replicas.
            context.Features.Set<IForwarderErrorFeature>(null);
            context.Response.StatusCode = StatusCodes.Status200OK;
            proxy.AvailableDestinations = [.. untried];
            context.Request.Rewind();
            await next(context);
        }

        if (IsRefused(context) || IsNobodyThere(context))
        {
            context.Response.Headers.RetryAfter = "1";
            var isCertain = !isBroken && IsSurelyUndone(context);
            await Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "service_unavailable",
                $"A service behind this call is not there at the moment.{(isCertain ? " Nothing was done." : "")} "
                    + "Try again in a second.")
                .ExecuteAsync(context);
        }

        bool MayGoElsewhere() => IsRefused(context)
            ? IsRepeatable(context.Request) || IsSurelyUndone(context)
            : IsBroken(context) && !isBroken && IsRepeatable(context.Request) && context.Request.CanBeSentAgain();
    }

    /// <summary>Whether no connection could be opened.</summary>
    private static bool IsRefused(HttpContext context) => !context.Response.HasStarted
        && context.GetForwarderErrorFeature()?.Exception is
            HttpRequestException
            {
                HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError,
            }
            // Of the connection: an answer that does not come is no TimeoutException inside.
            or OperationCanceledException { InnerException: TimeoutException };

    /// <summary>Whether the connection broke before an answer: nobody knows what was done.</summary>
    private static bool IsBroken(HttpContext context) => !context.Response.HasStarted && !IsRefused(context)
        && context.GetForwarderErrorFeature() is { Error: ForwarderError.Request, Exception: HttpRequestException };

    private static bool IsNobodyThere(HttpContext context) => !context.Response.HasStarted
        && context.GetForwarderErrorFeature()?.Error is ForwarderError.NoAvailableDestinations;

    /// <summary>
    /// Whether a refused request surely never left: HttpClient resends one without a body by itself when a kept
    /// connection breaks.
    /// </summary>
    private static bool IsSurelyUndone(HttpContext context) =>
        context.Request.HasBody() || HttpMethods.IsGet(context.Request.Method)
        || HttpMethods.IsHead(context.Request.Method);

    /// <summary>Whether sending it twice does it once (RFC 9110, 9.2.2).</summary>
    private static bool IsRepeatable(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsPut(request.Method)
        || HttpMethods.IsDelete(request.Method) || HttpMethods.IsOptions(request.Method)
        || (ReadsKey(request.HttpContext) && request.Headers.ContainsKey(IdempotencyKey.Header)
            && !request.Headers.GetCommaSeparatedValues("Connection") // What it names is not sent on: KnownHeaders.
                .Contains(IdempotencyKey.Header, StringComparer.OrdinalIgnoreCase));

    /// <summary>Whether the service behind the route reads the key. With others it makes nothing repeatable.</summary>
    private static bool ReadsKey(HttpContext context) => context.GetEndpoint()?.Metadata
        .GetMetadata<RouteModel>()?.Config.Metadata?.ContainsKey(IdempotencyKey.Header) == true;
}
