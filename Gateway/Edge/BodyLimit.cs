using Microsoft.AspNetCore.Http.Features;

namespace Gateway.Edge;

/// <summary>Refuses large bodies before anything of them is sent on.</summary>
internal static class BodyLimit
{
    /// <summary>
    /// How much of a refused body is read and thrown away, in bytes. Most clients read an answer only when they have
    /// sent all of their request; closing the connection on them would show them a broken pipe instead of the 413.
    /// </summary>
    private const int MaxDrainedBytes = 32 * 1024 * 1024;

    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Answers 413 when a request announces a body over the limit.</summary>
    public static void UseBodyLimit(this WebApplication app) => app.Use(async (context, next) =>
    {
        var length = context.Request.ContentLength;
        if (length is null or <= Extensions.MaxRequestBodyBytes)
        {
            await next(context);
            return;
        }

        await context.DrainLargeBodyAsync();
        context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
    });

    /// <summary>Reads a body over the limit and throws it away, before its request is refused for any reason.</summary>
    public static async Task DrainLargeBodyAsync(this HttpContext context)
    {
        // A client that waits for "100 Continue" has sent nothing yet, and reading would ask it to.
        if (context.Request.ContentLength is not (> Extensions.MaxRequestBodyBytes and <= MaxDrainedBytes)
            || context.Request.Headers.Expect.Count > 0)
        {
            return;
        }

        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = MaxDrainedBytes;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        patience.CancelAfter(DrainTimeout);
        try
        {
            await context.Request.BodyReader.CopyToAsync(Stream.Null, patience.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // Too slow, or gone.
        }
    }
}
