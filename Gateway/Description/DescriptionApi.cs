using System.Net.Mime;
using Microsoft.AspNetCore.Http.HttpResults;
using Scalar.AspNetCore;

namespace Gateway.Description;

/// <summary>The API described: to programs, and to people as a page from which it can be tried.</summary>
internal static class DescriptionApi
{
    /// <summary>Where the description is, here and at each service.</summary>
    public const string Path = "/openapi/v1.json";

    /// <summary>Where the page is.</summary>
    public const string PagePath = "/scalar";

    /// <summary>The page sends and loads nothing but from here, whatever its scripts may have in mind.</summary>
    private const string PagePolicy =
        "default-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        + "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

    /// <summary>Adds the joined description.</summary>
    public static void AddDescription(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<JoinedDescription>();

    /// <summary>Maps <c>/openapi/v1.json</c> and <c>/scalar</c>.</summary>
    public static void MapDescription(this WebApplication app)
    {
        app.MapGet(Path, Get);
        app.MapScalarApiReference(PagePath, (options, http) =>
        {
            http.Response.Headers.ContentSecurityPolicy = PagePolicy;
            options.Title = "AspireChat";
            options.OpenApiRoutePattern = Path;
            options.AddPreferredSecuritySchemes("bearer");
            // Nothing from other servers, and nothing sent to them.
            options.DefaultFonts = false;
            options.Telemetry = false;
            options.HideClientButton = true;
            options.ShowDeveloperTools = DeveloperToolsVisibility.Never;
            options.DisableAgent();
            options.DisableMcp();
        });
    }

    private static async Task<Results<FileContentHttpResult, ProblemHttpResult>> Get(
        JoinedDescription description, HttpResponse response, CancellationToken cancellationToken)
    {
        if (await description.GetAsync(cancellationToken) is { } json)
        {
            return TypedResults.Bytes(json, MediaTypeNames.Application.Json);
        }

        response.Headers.RetryAfter = "1";
        return Problems.Refusal(
            StatusCodes.Status503ServiceUnavailable, "description_unavailable",
            "A service does not answer, and the API cannot be described without it. Try again in a second.");
    }
}
