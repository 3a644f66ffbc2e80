using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

/// <summary>The section <c>Cors</c> of the configuration: which web pages may call the API from a browser.</summary>
internal sealed class CorsSettings
{
    /// <summary>The origin that stands for all.</summary>
    public const string Any = "*";

    /// <summary>Origins such as <c>https://app.example</c>, or <c>*</c> alone. None, unless some are named.</summary>
    public IList<string> Origins { get; } = [];

    /// <summary>The first origin that is none; null when all are good.</summary>
    public string? FirstBad() => Origins is [Any] ? null : Origins.FirstOrDefault(origin =>
        !Uri.TryCreate(origin, UriKind.Absolute, out var uri)
        || uri.Scheme is not ("http" or "https")
        || uri.GetLeftPart(UriPartial.Authority) != origin);
}

/// <summary>Answers browsers that ask whether a page of another origin may call (CORS).</summary>
internal static class CrossOrigin
{
    private static readonly TimeSpan PreflightAge = TimeSpan.FromMinutes(10);

    /// <summary>Adds the policy of all calls. Without origins there is none, and no header of it.</summary>
    public static void AddCrossOrigin(this IHostApplicationBuilder builder)
    {
        builder.AddSettings<CorsSettings>("Cors")
            .Validate(
                cors => cors.FirstBad() is null,
                "Each of Cors:Origins must be an origin such as 'https://app.example', with no path and no slash at "
                + "its end, or there must be '*' alone.");
        builder.Services.AddCors();
        builder.Services.AddOptions<CorsOptions>().Configure<IOptions<CorsSettings>>((options, cors) =>
        {
            if (cors.Value.Origins.Count > 0)
            {
                // Tokens come in a header that the page itself sets: no cookies, so no credentials. Which headers a
                // page sends is its own matter (OpenAI's client has a dozen): those unknown are not passed on.
                options.AddDefaultPolicy(policy => policy
                    .WithOrigins([.. cors.Value.Origins])
                    .WithMethods("GET", "POST", "PATCH", "DELETE")
                    .AllowAnyHeader()
                    .WithExposedHeaders(
                        "Link", "RateLimit", "RateLimit-Policy", "Retry-After", IdempotencyKey.ReplayedHeader,
                        OpenAiErrors.RequestIdHeader, OpenAiErrors.RetryHeader)
                    .SetPreflightMaxAge(PreflightAge));
            }
        });
    }

    /// <summary>
    /// Lets pages read an answer that is given before UseCors has its turn. Whatever is no success refuses a preflight,
    /// so that such an answer needs to say no more.
    /// </summary>
    public static async Task LetPagesReadAsync(this HttpContext context)
    {
        var services = context.RequestServices;
        if (!HttpMethods.IsOptions(context.Request.Method) && context.Request.Headers.Origin.Count > 0
            && await services.GetRequiredService<ICorsPolicyProvider>().GetPolicyAsync(context, policyName: null)
                is { } policy)
        {
            var cors = services.GetRequiredService<ICorsService>();
            cors.ApplyResult(cors.EvaluatePolicy(context, policy), context.Response);
        }
    }
}
