using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Gateway.Edge;

/// <summary>Refuses requests that no call of the API can be.</summary>
internal static class RequestGuard
{
    /// <summary>The most that all headers may have together, in bytes.</summary>
    public const int MaxHeadersBytes = 32 * 1024;

    /// <summary>How many headers there may be.</summary>
    public const int MaxHeaders = 100;

    /// <summary>The longest path with its query, in bytes.</summary>
    public const int MaxTargetBytes = 8 * 1024;

    private const int LineBytes = 4; // ": " and the line's end.
    private const string Methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

    private static readonly HashSet<string> Known = [.. Methods.Split(", ")];

    /// <summary>What a list of headers' names is made of (RFC 9110, 5.6.1 and 5.6.2).</summary>
    private static readonly SearchValues<char> NameList = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ, \t");

    /// <summary>
    /// Answers 400, 405, 414, 415 or 431 where a method, an address or headers are of no call. Goes before what answers
    /// by itself with parts of a request in its headers: a redirect, or the answer to a preflight.
    /// </summary>
    public static void UseRequestGuard(this WebApplication app) => app.Use(async (context, next) =>
    {
        if (Refuse(context) is { } refusal)
        {
            await context.DrainLargeBodyAsync();
            await context.LetPagesReadAsync();
            await refusal.ExecuteAsync(context);
            return;
        }

        // No call is upgraded, and a tunnel would be out of sight of all limits. A server may ignore the wish
        // (RFC 9110, 7.8).
        context.Request.Headers.Upgrade = default;
        await next(context);
    });

    private static ProblemHttpResult? Refuse(HttpContext context)
    {
        var request = context.Request;
        if (!Known.Contains(request.Method))
        {
            context.Response.Headers.Allow = Methods;
            return Problems.Refusal(
                StatusCodes.Status405MethodNotAllowed, "unknown_method", "No call here takes this method.");
        }

        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (target.Length > MaxTargetBytes)
        {
            return Problems.Refusal(
                StatusCodes.Status414UriTooLong, "address_too_long",
                $"The path and the query may have {MaxTargetBytes} bytes at most, together.");
        }

        var (count, bytes) = Measure(request.Headers);
        if (count > MaxHeaders || bytes > MaxHeadersBytes)
        {
            return Problems.Refusal(
                StatusCodes.Status431RequestHeaderFieldsTooLarge, "headers_too_large",
                $"There may be {MaxHeaders} headers, and {MaxHeadersBytes} bytes of them, at most.");
        }

        if (HasTwoEnds(request))
        {
            context.Response.Headers.Connection = "close";
            return Problems.Refusal(
                StatusCodes.Status400BadRequest, "ambiguous_length",
                "A body has either a Content-Length, or the Transfer-Encoding 'chunked' and no other.");
        }

        if (request.Headers.ContentEncoding.Count > 0)
        {
            return Problems.Refusal(
                StatusCodes.Status415UnsupportedMediaType, "unsupported_encoding",
                "Send the body as it is, without a Content-Encoding.");
        }

        if (request.Headers.AccessControlRequestHeaders.Any(names => names.AsSpan().ContainsAnyExcept(NameList)))
        {
            return Problems.Refusal(
                StatusCodes.Status400BadRequest, "unfit_names",
                "The names in Access-Control-Request-Headers are none that a header can have.");
        }

        return target.Any(c => c is '#' || char.IsControl(c)) || HasTwoMeanings(request.Path.Value!)
            ? Problems.Refusal(
                StatusCodes.Status400BadRequest, "ambiguous_path",
                "An address here has no encoded slashes or percent signs in its path, backslashes, '#' or control "
                + "characters.")
            : null;
    }

    /// <summary>
    /// Whether a server before this one may have seen another end of the body (RFC 9112, 6.1). Kestrel goes by the last
    /// coding, if that is chunked, and renames a length beside it.
    /// </summary>
    private static bool HasTwoEnds(HttpRequest request)
    {
        var coding = request.Headers.TransferEncoding;
        return coding.Count > 0
            && (coding.Count > 1
                || !"chunked".Equals(coding[0], StringComparison.OrdinalIgnoreCase)
                || request.Headers.ContainsKey("X-Content-Length")
                || HttpProtocol.IsHttp10(request.Protocol));
    }

    /// <summary>
    /// Whether a path, decoded once, would be another one if a server decoded it again, or took it for a Windows path.
    /// </summary>
    private static bool HasTwoMeanings(string path) =>
        path.AsSpan().ContainsAny('%', '\\') || path.Any(char.IsControl);

    private static (int Count, int Bytes) Measure(IHeaderDictionary headers)
    {
        var (count, bytes) = (0, 0);
        foreach (var (name, values) in headers)
        {
            foreach (var value in values)
            {
                count++;
                bytes += name.Length + Encoding.UTF8.GetByteCount(value ?? "") + LineBytes;
            }
        }

        return (count, bytes);
    }
}
