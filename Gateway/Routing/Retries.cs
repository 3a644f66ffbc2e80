using Yarp.ReverseProxy.Forwarder;

namespace Gateway.Routing;

/// <summary>
/// What happens when nobody is at the other end. A request that did not leave and may be repeated goes to another
/// replica; if none is left, the answer is a quick 503 that says so.
/// </summary>
internal static class Retries
{
    /// <summary>How long a connection to a replica may take to open.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Maps the routes, with retries around the choice of a replica.</summary>
    /// <param name="app">The gateway.</param>
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
        await context.Request.ReadSmallBodyAsync(context.RequestAborted);
        await next(context);
        while (WasNotSent(context) && IsRepeatable(context.Request)
            && untried.Remove(proxy.ProxiedDestination!) && untried.Count > 0)
        {
            context.Features.Set<IForwarderErrorFeature>(null);
            context.Response.StatusCode = StatusCodes.Status200OK;
            proxy.AvailableDestinations = [.. untried];
            context.Request.Rewind();
            await next(context);
        }

        if (WasNotSent(context) || IsNobodyThere(context))
        {
            context.Response.Headers.RetryAfter = "1";
            // A DELETE without a body may have been sent before, on a connection that broke: the client repeats it.
            var isCertain = !HttpMethods.IsDelete(context.Request.Method);
            await Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "service_unavailable",
                $"A service behind this call is not there at the moment.{(isCertain ? " Nothing was done." : "")} "
                    + "Try again in a second.")
                .ExecuteAsync(context);
        }
    }

    /// <summary>Whether no connection could be opened, so that nothing can have been done.</summary>
    private static bool WasNotSent(HttpContext context) => !context.Response.HasStarted
        && context.GetForwarderErrorFeature()?.Exception is
            HttpRequestException
            {
                HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError,
            }
            // Of the connection: an answer that does not come is no TimeoutException inside.
            or OperationCanceledException { InnerException: TimeoutException };

    private static bool IsNobodyThere(HttpContext context) => !context.Response.HasStarted
        && context.GetForwarderErrorFeature()?.Error is ForwarderError.NoAvailableDestinations;

    /// <summary>Whether sending it twice does it once (RFC 9110, 9.2.2).</summary>
    private static bool IsRepeatable(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsPut(request.Method)
        || HttpMethods.IsDelete(request.Method) || HttpMethods.IsOptions(request.Method)
        || request.Headers.ContainsKey(IdempotencyKey.Header);
}
