using Microsoft.AspNetCore.Diagnostics;

namespace Identity.Service;

/// <summary>
/// Answers 400 to a form that cannot be read, such as one with %00 in it or with too many fields. ASP.NET Core throws
/// there, and OpenIddict does not catch it.
/// </summary>
internal sealed class MalformedForm : IExceptionHandler
{
    /// <inheritdoc/>
    public async ValueTask<bool> TryHandleAsync(
        HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not InvalidDataException || !httpContext.Request.HasFormContentType)
        {
            return false;
        }

        await TypedResults.Problem("The form in the body cannot be read.", statusCode: StatusCodes.Status400BadRequest)
            .ExecuteAsync(httpContext);
        return true;
    }
}
