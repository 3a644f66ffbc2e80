using System.Net.Mime;
using Gateway.Description;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace Gateway;

/// <summary>The answer to <c>GET /</c> and <c>HEAD /</c>: a page for people, and JSON for programs.</summary>
internal static class Landing
{
    private const string HealthPath = "/health";

    private const string Summary = "An AI chat backend with metered tokens.";

    private const string Page = $$"""
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>AspireChat</title>
        <style>
          body { margin: 0; min-height: 100vh; display: grid; place-items: center;
                 font: 1rem/1.6 system-ui, sans-serif; background: light-dark(#f6f5fb, #14131c);
                 color: light-dark(#1d1b2c, #eceaf6) }
          main { max-width: 34rem; padding: 2rem }
          h1 { margin: 0; font-size: 2.5rem; letter-spacing: -.03em }
          p { color: light-dark(#55516e, #a9a5c4) }
          ul { display: grid; gap: .75rem; margin: 2rem 0 0; padding: 0; list-style: none }
          a { display: block; padding: .9rem 1.1rem; border-radius: .75rem; text-decoration: none; color: inherit;
              border: 1px solid light-dark(#dedbee, #322f47); background: light-dark(#fff, #1d1b29) }
          a:hover, a:focus-visible { border-color: #7c5cff; outline: none }
          a span { display: block; font-size: .875rem; color: light-dark(#55516e, #a9a5c4) }
        </style>
        <main>
          <h1>AspireChat</h1>
          <p>{{Summary}} Users register, log in, and pay for each chat from a balance that is never overspent,
             charged twice, or charged for nothing.</p>
          <ul>
            <li><a href="{{DescriptionApi.PagePath}}">API reference
              <span>Every call, with examples, to be tried from the page</span></a>
            <li><a href="{{DescriptionApi.Path}}">OpenAPI document <span>The same for programs</span></a>
            <li><a href="{{HealthPath}}">Health <span>Whether the gateway is ready</span></a>
          </ul>
        </main>
        </html>
        """;

    /// <summary>Maps it.</summary>
    public static void MapLanding(this WebApplication app) => app.MapGet("/", Get);

    private static Results<ContentHttpResult, Ok<LandingResponse>> Get(HttpContext context)
    {
        context.Response.Headers.Vary = HeaderNames.Accept;
        if (!context.Request.GetTypedHeaders().Accept.Any(type => type.MediaType == MediaTypeNames.Text.Html))
        {
            return TypedResults.Ok(new LandingResponse(
                "AspireChat", Summary, new(DescriptionApi.PagePath, DescriptionApi.Path, HealthPath)));
        }

        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
        return TypedResults.Content(Page, $"{MediaTypeNames.Text.Html}; charset=utf-8");
    }
}

/// <summary>What this is.</summary>
/// <param name="Name">The product.</param>
/// <param name="Description">In a sentence.</param>
/// <param name="Links">Where there is more.</param>
internal sealed record LandingResponse(string Name, string Description, LandingLinks Links);

/// <summary>Where there is more.</summary>
/// <param name="Reference">The API for people.</param>
/// <param name="Openapi">The API for programs.</param>
/// <param name="Health">Whether the gateway is ready.</param>
internal sealed record LandingLinks(string Reference, string Openapi, string Health);
