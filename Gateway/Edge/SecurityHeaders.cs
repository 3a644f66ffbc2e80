namespace Gateway.Edge;

/// <summary>Tells browsers to make nothing of an answer but what it is.</summary>
internal static class SecurityHeaders
{
    private const string NothingAllowed = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

    /// <summary>
    /// Sets the headers of every answer, in place of what services say. A page that needs more than nothing brings a
    /// <c>Content-Security-Policy</c> of its own, and an answer that may be kept its own <c>Cache-Control</c>.
    /// https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
    /// </summary>
    public static void UseSecurityHeaders(this WebApplication app) => app.Use((context, next) =>
    {
        context.Response.OnStarting(() =>
        {
            var headers = context.Response.Headers;
            headers.Server = default;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "no-referrer";
            context.SetStrictTransport();
            SetIfAbsent(headers, "Content-Security-Policy", NothingAllowed);
            if (context.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase))
            {
                SetIfAbsent(headers, "Cache-Control", "no-store");
            }

            return Task.CompletedTask;
        });
        return next(context);
    });

    private static void SetIfAbsent(IHeaderDictionary headers, string name, string value)
    {
        if (headers[name].Count == 0)
        {
            headers[name] = value;
        }
    }
}
