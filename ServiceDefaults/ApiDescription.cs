using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// How a service describes its API (OpenAPI 3.1), at /openapi/v1.json. Types, summaries and examples come from the code
/// and its comments; here is what all operations have in common. The gateway joins the services' documents.
/// </summary>
public static class ApiDescription
{
    /// <summary>The scheme's name.</summary>
    private const string Bearer = "bearer";

    /// <summary>Completes what the framework finds out by itself.</summary>
    /// <param name="options">
    /// Those of AddOpenApi, which each service calls itself, with a lambda: only then are its comments found.
    /// </param>
    public static void DescribeApi(this OpenApiOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.AddOperationTransformer(DescribeAsync);
        options.AddOperationTransformer(ErrorDescriptions.DescribeAsync);
        options.AddSchemaTransformer(SchemaDescriptions.DescribeAsync);
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Servers = []; // Clients know the gateway alone.
            document.AddComponent(Bearer, new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = Bearer,
                Description = "An access token, as POST /api/login gives it, or an API key (ac_…) of POST /api/keys. "
                    + "Keys themselves, the account and what is deleted for good need a login's token.",
            });
            return Task.CompletedTask;
        });
    }

    /// <summary>Says that an endpoint takes a JSON body that it reads by itself.</summary>
    /// <typeparam name="TBody">The body.</typeparam>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>The same endpoint.</returns>
    /// <remarks>Not with Accepts(): that changes which requests reach the endpoint.</remarks>
    public static RouteHandlerBuilder Takes<TBody>(this RouteHandlerBuilder endpoint) =>
        endpoint.WithMetadata(new TakenBody(typeof(TBody)));

    /// <summary>Says that an endpoint can answer 200 in another form than JSON.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="contentType">The form.</param>
    /// <param name="example">An answer.</param>
    /// <returns>The same endpoint.</returns>
    public static RouteHandlerBuilder Gives(this RouteHandlerBuilder endpoint, string contentType, string example) =>
        endpoint.WithMetadata(new GivenText(contentType, example));

    private static async Task DescribeAsync(
        OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var call = context.Description;
        operation.OperationId = NameOf(call.HttpMethod!, call.RelativePath!);
        var metadata = call.ActionDescriptor.EndpointMetadata;
        if (metadata.OfType<IEndpointSummaryMetadata>().LastOrDefault() is { } name)
        {
            // The docstring's sentences go below the name.
            operation.Description = string.IsNullOrEmpty(operation.Description)
                ? operation.Summary
                : $"{operation.Summary}\n\n{operation.Description}";
            operation.Summary = name.Summary;
        }

        if (metadata.OfType<IAuthorizeData>().Any())
        {
            operation.Security =
            [
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, context.Document)] = [] },
            ];
        }

        if (metadata.OfType<TakenBody>().SingleOrDefault() is { } body)
        {
            var schema = await context.ReferToAsync(body.Type, cancellationToken);
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/json"] = new OpenApiMediaType { Schema = schema },
                },
            };
        }

        operation.Responses ??= [];
        foreach (var text in metadata.OfType<GivenText>())
        {
            // Beside a 201 the 200 is named as a range: clients would take the lowest number for the usual answer.
            if (!operation.Responses.TryGetValue("200", out var response))
            {
                response = new OpenApiResponse { Description = $"200, as {text.ContentType}" };
                operation.Responses["2XX"] = response;
            }

            ((OpenApiResponse)response).Content ??= new Dictionary<string, OpenApiMediaType>();
            response.Content![text.ContentType] = new OpenApiMediaType
            {
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                Example = text.Example,
            };
        }

        DescribeHeaders(operation);
    }

    private static void DescribeHeaders(OpenApiOperation operation)
    {
        foreach (var response in operation.Responses!.Where(response => response.Key[0] == '2')
            .Select(response => response.Value).OfType<OpenApiResponse>())
        {
            if (Find("before") is not null)
            {
                response.AddHeader("Link", "The next page, if there is one: <…>; rel=\"next\" (RFC 8288).");
            }

            if (Find(IdempotencyKey.Header) is not null)
            {
                response.AddHeader(IdempotencyKey.ReplayedHeader, "true, where this was done before.");
            }
        }

        // "No bound" is the largest number, which no client needs to know.
        if (Find("before")?.Schema is OpenApiSchema { Maximum: not null } before)
        {
            (before.Maximum, before.Default) = (null, null);
        }

        if (Find(IdempotencyKey.Header) is { } key)
        {
            key.Description = "Names the request, so that sending it again does it once and is answered alike.";
            key.Schema = new OpenApiSchema
            {
                Type = JsonSchemaType.String,
                Pattern = $"^[!-~]{{1,{IdempotencyKey.MaxLength}}}$",
            };
        }

        OpenApiParameter? Find(string name) =>
            operation.Parameters?.OfType<OpenApiParameter>().FirstOrDefault(parameter => parameter.Name == name);
    }

    /// <summary>Adds a header to an answer.</summary>
    internal static void AddHeader(this OpenApiResponse response, string name, string description) =>
        (response.Headers ??= new Dictionary<string, IOpenApiHeader>())[name] = new OpenApiHeader
        {
            Description = description,
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        };

    /// <summary>A reference to the schema of a type, which is added to the document if it is not there.</summary>
    internal static async Task<OpenApiSchemaReference> ReferToAsync(
        this OpenApiOperationTransformerContext context, Type type, CancellationToken cancellationToken)
    {
        var schema = await context.GetOrCreateSchemaAsync(type, parameterDescription: null, cancellationToken);
        context.Document!.AddComponent(type.Name, schema);
        return new OpenApiSchemaReference(type.Name, context.Document);
    }

    /// <summary>postChat for POST /api/chat, getChatById for GET /api/chat/{id}.</summary>
    private static string NameOf(string method, string path) => string.Concat(
        path.Split(['/', '_', '-', '.'], StringSplitOptions.RemoveEmptyEntries).Where(part => part is not "api")
            .Select(part => part.StartsWith('{')
                ? $"By{Capital(part.Trim('{', '*', '}').Split(':')[0])}"
                : Capital(part))
            .Prepend(method.ToLowerInvariant()));

    private static string Capital(string word) => char.ToUpperInvariant(word[0]) + word[1..];

    private sealed record TakenBody(Type Type);

    private sealed record GivenText(string ContentType, string Example);
}
