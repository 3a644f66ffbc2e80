namespace Gateway;

/// <summary>Refuses large bodies before they are read and sent on.</summary>
internal static class BodyLimit
{
    /// <summary>Answers 413 when a request announces a body over the limit.</summary>
    /// <param name="app">The gateway.</param>
    public static void UseBodyLimit(this WebApplication app) => app.Use((context, next) =>
    {
        if (context.Request.ContentLength > Extensions.MaxRequestBodyBytes)
        {
            context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
            return Task.CompletedTask;
        }

        return next(context);
    });
}
