namespace Gateway.Edge;

/// <summary>HEAD wherever there is GET (RFC 9110, 9.3.2).</summary>
internal static class HeadRequests
{
    /// <summary>
    /// Lets HEAD take the way of GET, and the services see a GET. The server, which has read HEAD, sends no body. Goes
    /// before routing.
    /// </summary>
    public static void UseHeadAsGet(this WebApplication app) => app.Use((context, next) =>
    {
        if (HttpMethods.IsHead(context.Request.Method))
        {
            context.Request.Method = HttpMethods.Get;
        }

        return next(context);
    });
}
