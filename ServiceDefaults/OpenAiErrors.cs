using System.Diagnostics;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Errors of calls under <c>/api/v1</c> in OpenAI's shape, which its clients understand, in place of problem details.
/// https://platform.openai.com/docs/guides/error-codes
/// </summary>
/// <param name="options">Completes problem details, as for all other calls.</param>
public sealed class OpenAiErrors(IOptions<ProblemDetailsOptions> options) : IProblemDetailsWriter
{
    /// <summary>The path under which errors have this shape.</summary>
    public const string PathPrefix = "/api/v1";

    /// <summary>The answer's header that names the request; OpenAI's clients show it with an error.</summary>
    public const string RequestIdHeader = "x-request-id";

    /// <summary>The answer's header with which OpenAI's clients are told not to send a request again.</summary>
    public const string RetryHeader = "x-should-retry";

    /// <inheritdoc/>
    public bool CanWrite(ProblemDetailsContext context) =>
        context.HttpContext.Request.Path.StartsWithSegments(PathPrefix, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var (http, problem) = (context.HttpContext, context.ProblemDetails);
        problem.Status ??= http.Response.StatusCode;
        options.Value.CustomizeProblemDetails?.Invoke(context);
        http.Response.StatusCode = problem.Status.Value;
        http.Response.Headers[RequestIdHeader] = RequestId(http);
        var error = Of(problem);
        if (error.Error.Code is not "in_progress" && problem.Status is StatusCodes.Status409Conflict)
        {
            http.Response.Headers[RetryHeader] = "false"; // They would send any 409 again.
        }

        await http.Response.WriteAsJsonAsync(
            error, OpenAiErrorJson.Default.OpenAiErrorBody, "application/json", http.RequestAborted);
    }

    /// <summary>What names a request in the logs and traces of all services.</summary>
    /// <param name="http">The request.</param>
    /// <returns>The trace's id.</returns>
    public static string RequestId(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        return Activity.Current?.TraceId.ToHexString() ?? http.TraceIdentifier;
    }

    /// <summary>A problem in OpenAI's shape.</summary>
    /// <param name="problem">
    /// The problem, with its status; of its extensions <c>code</c> and <c>param</c> are of interest.
    /// </param>
    /// <returns>The error.</returns>
    public static OpenAiErrorBody Of(ProblemDetails problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        var status = problem.Status ?? StatusCodes.Status500InternalServerError;
        return new(new(
            problem.Detail ?? problem.Title ?? ReasonPhrases.GetReasonPhrase(status),
            TypeOf(status),
            problem.Extensions.TryGetValue("param", out var param) ? param as string : null,
            CodeOf(status, problem.Extensions.TryGetValue("code", out var code) ? code as string : null)));
    }

    private static string TypeOf(int status) => status switch
    {
        StatusCodes.Status402PaymentRequired => "insufficient_quota",
        StatusCodes.Status403Forbidden => "permission_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= StatusCodes.Status500InternalServerError => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>OpenAI's word where it has one for the status, else the problem's own.</summary>
    private static string? CodeOf(int status, string? code) => status switch
    {
        StatusCodes.Status401Unauthorized => "invalid_api_key",
        StatusCodes.Status402PaymentRequired => "insufficient_quota",
        StatusCodes.Status404NotFound => code ?? "unknown_url",
        StatusCodes.Status405MethodNotAllowed => "method_not_supported",
        StatusCodes.Status413PayloadTooLarge => "request_too_large",
        StatusCodes.Status415UnsupportedMediaType => "unsupported_media_type",
        StatusCodes.Status429TooManyRequests => "rate_limit_exceeded",
        _ => code,
    };
}

/// <summary>An answer that is an error.</summary>
/// <param name="Error">The error.</param>
public sealed record OpenAiErrorBody([property: JsonPropertyName("error")] OpenAiError Error);

/// <summary>What went wrong.</summary>
/// <param name="Message">A sentence for people.</param>
/// <param name="Type">The kind.</param>
/// <param name="Param">The parameter at fault, if it is one: <c>messages[0].role</c>.</param>
/// <param name="Code">A word for programs.</param>
public sealed record OpenAiError(
    [property: JsonPropertyName("message")] string Message,
    [property: JsonPropertyName("type")] string Type,
    [property: JsonPropertyName("param")] string? Param,
    [property: JsonPropertyName("code")] string? Code);

/// <summary>How errors are written.</summary>
[JsonSerializable(typeof(OpenAiErrorBody))]
public sealed partial class OpenAiErrorJson : JsonSerializerContext;
