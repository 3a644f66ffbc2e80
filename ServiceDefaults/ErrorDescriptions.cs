using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.OpenApi;

namespace Microsoft.Extensions.Hosting;

/// <summary>The errors in the description of an API, with those that the code answers as examples.</summary>
public static class ErrorDescriptions
{
    private const string TraceId = "00-8f1b2c3d4e5f60718293a4b5c6d7e8f9-0a1b2c3d4e5f6071-00";

    /// <summary>Says how an endpoint, or each of a group, refuses what it could have done.</summary>
    /// <typeparam name="TBuilder">The endpoint or group.</typeparam>
    /// <param name="endpoint">The endpoint or group.</param>
    /// <param name="refusals">Answers as the endpoint gives them.</param>
    /// <returns>The same endpoint or group.</returns>
    public static TBuilder Refuses<TBuilder>(this TBuilder endpoint, params IEnumerable<ProblemHttpResult> refusals)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new Refusals([.. refusals]));

    /// <summary>Adds the errors to an operation: its own, and those that its kind of call has.</summary>
    internal static async Task DescribeAsync(
        OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var isOpenAi = $"/{context.Description.RelativePath}".StartsWith(
            OpenAiErrors.PathPrefix, StringComparison.OrdinalIgnoreCase);
        var shape = new Shape(
            await context.ReferToAsync(isOpenAi ? typeof(OpenAiErrorBody) : typeof(Problem), cancellationToken),
            isOpenAi);
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var own = metadata.OfType<Refusals>().SelectMany(refusals => refusals.All)
            .Append(Problems.TooManyRequests(seconds: 42)) // The gateway counts all calls.
            .ToLookup(refusal => refusal.StatusCode);
        var known = operation.Responses!.Keys.Where(status => status[0] == '4').Select(int.Parse);
        foreach (var status in known.Concat(StatusesOf(operation, metadata)).Concat(own.Select(each => each.Key))
            .Distinct().Order().ToList())
        {
            var isShared = status is StatusCodes.Status429TooManyRequests && own[status].Count() == 1;
            operation.Responses![$"{status}"] = own.Contains(status) && !isShared
                ? shape.Of(status, [.. own[status]])
                : shape.Shared(status, context.Document!);
        }

        operation.Responses!["default"] = shape.Shared(StatusCodes.Status500InternalServerError, context.Document!);
    }

    /// <summary>The errors of every call of its kind.</summary>
    private static IEnumerable<int> StatusesOf(OpenApiOperation operation, IList<object> metadata)
    {
        if (operation.RequestBody is not null || operation.Parameters is { Count: > 0 })
        {
            yield return StatusCodes.Status400BadRequest;
        }

        if (operation.RequestBody is not null)
        {
            yield return StatusCodes.Status413PayloadTooLarge;
            yield return StatusCodes.Status415UnsupportedMediaType;
        }

        var policies = metadata.OfType<IAuthorizeData>().Select(needed => needed.Policy).ToList();
        if (policies.Count > 0)
        {
            yield return StatusCodes.Status401Unauthorized;
        }

        if (policies.Exists(policy => policy is not Tokens.UserPolicy)) // Which every token of a user meets.
        {
            yield return StatusCodes.Status403Forbidden;
        }
    }

    /// <summary>How the errors of an operation are written.</summary>
    private sealed record Shape(IOpenApiSchema Schema, bool IsOpenAi)
    {
        /// <summary>The answers with a status, each as an example.</summary>
        public OpenApiResponse Of(int status, params IReadOnlyList<ProblemHttpResult> refusals)
        {
            var examples = refusals.Select(refusal => refusal.ProblemDetails).ToDictionary(
                problem => problem.Extensions.TryGetValue("code", out var code) ? (string)code! : "error",
                IOpenApiExample (problem) => new OpenApiExample { Value = Write(problem) });
            var codes = examples.Values.Select(example => (string?)(example.Value!["error"] ?? example.Value)["code"])
                .OfType<string>().Distinct().Select(code => $"`{code}`").ToList();
            var phrase = ReasonPhrases.GetReasonPhrase(status);
            var response = new OpenApiResponse
            {
                Description = codes is [] ? phrase : $"{phrase}: {string.Join(", ", codes)}",
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    [IsOpenAi ? "application/json" : "application/problem+json"] =
                        new OpenApiMediaType { Schema = Schema, Examples = examples },
                },
            };
            if (status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
            {
                response.AddHeader("Retry-After", "When to try again, in seconds.");
            }

            return response;
        }

        /// <summary>A reference to an answer that many operations have.</summary>
        public OpenApiResponseReference Shared(int status, OpenApiDocument document)
        {
            var isAny = status == StatusCodes.Status500InternalServerError;
            var name = (IsOpenAi ? "OpenAi" : "")
                + (isAny ? "Error" : ReasonPhrases.GetReasonPhrase(status).Replace(" ", "", StringComparison.Ordinal));
            var response = Of(status, status is StatusCodes.Status429TooManyRequests
                ? Problems.TooManyRequests(seconds: 42)
                : TypedResults.Problem(Problems.Sentence(status, "/api/…", "…"), statusCode: status));
            response.Description = isAny ? "Any other error." : response.Description;
            document.AddComponent(name, response);
            return new OpenApiResponseReference(name, document);
        }

        private JsonNode? Write(AspNetCore.Mvc.ProblemDetails problem)
        {
            if (IsOpenAi)
            {
                return JsonSerializer.SerializeToNode(
                    OpenAiErrors.Of(problem), OpenAiErrorJson.Default.OpenAiErrorBody);
            }

            var written = JsonSerializer.SerializeToNode(problem, JsonSerializerOptions.Web);
            written!["traceId"] = TraceId;
            return written;
        }
    }

    private sealed record Refusals(IReadOnlyList<ProblemHttpResult> All);
}

/// <summary>What every error says (RFC 9457).</summary>
/// <param name="Title">The status in words.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="Detail">A sentence for people: what is wrong, and what to do.</param>
/// <param name="TraceId">Finds the request in the logs and traces of all services.</param>
/// <param name="Type">A link that explains the status.</param>
/// <param name="Code">A word for programs, which stays the same.</param>
/// <param name="Needed">Tokens that it needs, where there are too few.</param>
/// <param name="Available">Tokens that can be spent, where there are too few.</param>
/// <param name="Held">Tokens that chats under way keep back, where there are too few.</param>
/// <param name="Errors">What is wrong with each member of the body or parameter, where it is one of those.</param>
public sealed record Problem(
    string Title,
    int Status,
    string Detail,
    string TraceId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Code,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Needed,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Available,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Held,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    IReadOnlyDictionary<string, string[]>? Errors);
