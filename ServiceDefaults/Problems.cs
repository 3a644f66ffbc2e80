using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Npgsql;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// Errors as <c>application/problem+json</c> (RFC 9457): a status, a sentence that says what to do, and the trace id.
/// No stack trace, type name or internal address leaves a service.
/// </summary>
public static class Problems
{
    /// <summary>Adds problem details with a sentence for every status, and the handler of bad requests.</summary>
    /// <param name="services">The service's collection.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddProblems(this IServiceCollection services) => services
        .AddSingleton<IProblemDetailsWriter, OpenAiErrors>() // Before the framework's own: the first that can, writes.
        .AddProblemDetails(options => options.CustomizeProblemDetails = context =>
        {
            var problem = context.ProblemDetails;
            problem.Detail ??= problem is HttpValidationProblemDetails { Errors.Count: > 0 } invalid
                ? string.Join(' ', invalid.Errors.Values.SelectMany(messages => messages))
                : Sentence(
                    context.HttpContext.Response.StatusCode,
                    context.HttpContext.Request.Path,
                    context.HttpContext.Request.Method);
        })
        .AddSingleton<IProblemDetailsWriter, AnyAcceptWriter>()
        .Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true)
        .AddExceptionHandler<BadRequestHandler>()
        .AddExceptionHandler<DatabaseAwayHandler>();

    /// <summary>Turns exceptions and empty error answers into problem details. Goes first in the pipeline.</summary>
    /// <param name="app">The service.</param>
    /// <returns>The same service.</returns>
    public static WebApplication UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.Use(TakeUtf8Only);
        return app;
    }

    /// <summary>
    /// JSON is UTF-8 (RFC 8259, 8.1). The framework throws on charsets that it does not know, or that are quoted.
    /// </summary>
    private static Task TakeUtf8Only(HttpContext context, RequestDelegate next)
    {
        var type = context.Request.ContentType;
        if (type is null || !type.Contains("charset", StringComparison.OrdinalIgnoreCase))
        {
            return next(context);
        }

        if (!MediaTypeHeaderValue.TryParse(type, out var parsed)
            || !HeaderUtilities.RemoveQuotes(parsed.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return Task.CompletedTask;
        }

        parsed.Charset = "utf-8";
        context.Request.ContentType = parsed.ToString();
        return next(context);
    }

    /// <summary>The answer to a caller who sends more requests than the gateway allows.</summary>
    /// <param name="seconds">When there are new permits.</param>
    /// <returns>429.</returns>
    public static ProblemHttpResult TooManyRequests(long seconds) => Refusal(
        StatusCodes.Status429TooManyRequests, "too_many_requests",
        $"Too many requests of this kind came from you. Nothing was done: try again in {seconds} s.");

    /// <summary>The answer to a caller who asks for more credits than can be spent. Nothing was written.</summary>
    /// <param name="needed">Credits that it needs.</param>
    /// <param name="available">Those that can be spent.</param>
    /// <param name="held">Those that chats under way keep back.</param>
    /// <returns>402.</returns>
    public static ProblemHttpResult InsufficientTokens(long needed, long available, long held) => Tokens(
        StatusCodes.Status402PaymentRequired, "insufficient_tokens", "Not enough tokens", needed, available, held);

    /// <summary>The answer to a caller whose credits would do, were none of them held. Nothing was written.</summary>
    /// <param name="needed">Credits that it needs.</param>
    /// <param name="available">Those that can be spent.</param>
    /// <param name="held">Those that chats under way keep back.</param>
    /// <returns>409.</returns>
    public static ProblemHttpResult TokensHeld(long needed, long available, long held) => Tokens(
        StatusCodes.Status409Conflict, "tokens_held", "Too many tokens are held", needed, available, held);

    private static ProblemHttpResult Tokens(
        int status, string code, string what, long needed, long available, long held)
    {
        var kept = held > 0 ? $", and {held} are held by chats under way" : "";
        var problem = Refusal(
            status, code, $"{what}: this needs {needed}, {available} are available{kept}. You were not charged.");
        problem.ProblemDetails.Extensions["needed"] = needed;
        problem.ProblemDetails.Extensions["available"] = available;
        problem.ProblemDetails.Extensions["held"] = held;
        return problem;
    }

    /// <summary>The answer to a caller whose API key may not spend that much more. Nothing was written.</summary>
    /// <returns>402.</returns>
    public static ProblemHttpResult KeyLimitReached() => Refusal(
        StatusCodes.Status402PaymentRequired, "key_limit_reached",
        "This API key may not spend that much more, in total, today or this month (UTC). You were not charged.");

    /// <summary>The answer to a caller who has a budget and may not spend that much more of it.</summary>
    /// <returns>402.</returns>
    public static ProblemHttpResult BudgetReached() => Refusal(
        StatusCodes.Status402PaymentRequired, "budget_reached",
        "This is more than what is left of your budget for this month (UTC). You were not charged.");

    /// <summary>A refusal with a word for programs beside the sentence for people.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="code">The word: snake_case, and the same for ever.</param>
    /// <param name="detail">The sentence.</param>
    /// <returns>The answer.</returns>
    public static ProblemHttpResult Refusal(int status, string code, string detail) =>
        TypedResults.Problem(
            detail, statusCode: status, extensions: new Dictionary<string, object?> { ["code"] = code });

    /// <summary>What is said of a status where nobody has said more.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="path">Of the request.</param>
    /// <param name="method">Of the request.</param>
    internal static string? Sentence(int status, string? path, string method) => status switch
    {
        StatusCodes.Status400BadRequest =>
            "A value in the path, query or headers of this request has the wrong form.",
        StatusCodes.Status401Unauthorized =>
            "A valid access token is needed: send it as 'Authorization: Bearer <access>'. POST /api/login gives one.",
        StatusCodes.Status403Forbidden => "This access token does not allow that: an API key has scopes, and some "
            + "calls need a login, or an administrator's.",
        StatusCodes.Status404NotFound => $"There is nothing at {path}.",
        StatusCodes.Status405MethodNotAllowed => $"{path} does not take {method}.",
        StatusCodes.Status408RequestTimeout => "The body of this request came too slowly.",
        StatusCodes.Status413PayloadTooLarge => $"The body may have {Extensions.MaxRequestBodyBytes} bytes at most.",
        StatusCodes.Status415UnsupportedMediaType => "Send the body as JSON, with 'Content-Type: application/json'.",
        StatusCodes.Status431RequestHeaderFieldsTooLarge => "The headers of this request are too large.",
        StatusCodes.Status500InternalServerError => "Something went wrong here. The traceId finds it in the logs.",
        StatusCodes.Status502BadGateway
            or StatusCodes.Status503ServiceUnavailable
            or StatusCodes.Status504GatewayTimeout
            => "A service behind this call does not answer, and it is not known whether this was done. "
                + "Send it again shortly; with an Idempotency-Key it is done once.",
        _ => null,
    };

    /// <summary>
    /// Writes problem details for callers who did not ask for JSON, such as browsers, to whom the built-in writer would
    /// say nothing. An answer in another form than asked for is better than none (RFC 9110, 12.4.1).
    /// </summary>
    private sealed class AnyAcceptWriter : IProblemDetailsWriter
    {
        public bool CanWrite(ProblemDetailsContext context) => true;

        public ValueTask WriteAsync(ProblemDetailsContext context) => context.HttpContext.RequestServices
            .GetServices<IProblemDetailsWriter>().First(writer => writer is not (AnyAcceptWriter or OpenAiErrors))
            .WriteAsync(context);
    }

    /// <summary>Answers 503 while the database cannot be reached: that passes, and is nobody's mistake.</summary>
    private sealed class DatabaseAwayHandler(IProblemDetailsService problems, ILogger<DatabaseAwayHandler> logger)
        : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(
            HttpContext context, Exception exception, CancellationToken cancellationToken)
        {
            // EF wraps what it has given up trying again.
            if (exception is not NpgsqlException { IsTransient: true }
                && exception is not RetryLimitExceededException { InnerException: NpgsqlException }
                && exception is not InvalidOperationException { InnerException: NpgsqlException { IsTransient: true } })
            {
                return false;
            }

            logger.LogError(exception, "PostgreSQL cannot be reached");
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.Headers.RetryAfter = "1";
            return await problems.TryWriteAsync(new() { HttpContext = context });
        }
    }

    /// <summary>Says what is wrong with a request that the framework could not read.</summary>
    private sealed class BadRequestHandler(IProblemDetailsService problems, ILogger<BadRequestHandler> logger)
        : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(
            HttpContext context, Exception exception, CancellationToken cancellationToken)
        {
            if (exception is not BadHttpRequestException bad)
            {
                return false;
            }

            logger.LogDebug(bad, "A request could not be read");
            context.Response.StatusCode = bad.StatusCode;
            return await problems.TryWriteAsync(
                new() { HttpContext = context, ProblemDetails = { Detail = Explain(bad) } });
        }

        private static string? Explain(BadHttpRequestException bad) => bad switch
        {
            { StatusCode: not StatusCodes.Status400BadRequest } => null,
            { InnerException: JsonException { Path: { Length: > 1 } path } } =>
                $"The JSON body has a missing or unfit value at {path}.",
            { InnerException: JsonException json } =>
                $"The body is not valid JSON (line {json.LineNumber + 1}, byte {json.BytePositionInLine + 1}).",
            _ when bad.Message.Contains("body", StringComparison.OrdinalIgnoreCase) => "This call needs a JSON body.",
            _ => null,
        };
    }
}
