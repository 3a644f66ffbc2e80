using Gateway.Limits;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Net.Http.Headers;

namespace Gateway.Keys;

/// <summary>Takes API keys where access tokens are taken.</summary>
internal static class ApiKeyMiddleware
{
    private const string Scheme = "Bearer ";

    /// <summary>Adds what exchanges keys and knows the sessions that have ended.</summary>
    public static void AddApiKeys(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHttpClient<KeyExchange>(client => client.BaseAddress = new("http://identity"));
        builder.Services.AddSingleton<KeyTokens>();
        builder.AddEndedSessions();
    }

    /// <summary>
    /// Puts the access token of an API key in the key's place, for the authentication here and for what is forwarded:
    /// the services never see a key. Goes before authentication.
    /// </summary>
    public static void UseApiKeys(this WebApplication app) => app.Use(async (context, next) =>
    {
        if (KeyOf(context) is not { } key)
        {
            await next(context);
            return;
        }

        var limits = context.RequestServices.GetRequiredService<RateLimits>();
        var address = RateLimits.AddressOf(context);
        string? token;
        try
        {
            token = await context.RequestServices.GetRequiredService<KeyTokens>()
                .GetAsync(key, ask => limits.AskAsync(address, ask), context.RequestAborted);
        }
        catch (TooManyRequestsException tooMany)
        {
            await RateLimits.AnswerAsync(context, tooMany.Permit);
            return;
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            app.Logger.LogWarning(exception, "An API key could not be exchanged");
            context.Response.Headers.RetryAfter = "1";
            await Problems.Refusal(
                StatusCodes.Status503ServiceUnavailable, "identity_unavailable",
                "API keys cannot be checked at the moment. Nothing was done: try again in a second.")
                .ExecuteAsync(context);
            return;
        }

        if (token is null)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer error=\"invalid_token\""; // RFC 6750, 3
            await Problems.Refusal(
                StatusCodes.Status401Unauthorized, "unknown_api_key",
                "This API key is unknown, revoked or has expired. POST /api/keys gives a new one to a user who is "
                    + "logged in.")
                .ExecuteAsync(context);
            return;
        }

        context.Request.Headers.Authorization = Scheme + token;
        await next(context);
    });

    /// <summary>The key, where the call needs a token: others would have it exchanged for nothing.</summary>
    private static string? KeyOf(HttpContext context)
    {
        var header = context.Request.Headers[HeaderNames.Authorization].ToString();
        return header.StartsWith(Scheme + ApiKeys.Prefix, StringComparison.OrdinalIgnoreCase)
            && context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is not null
                ? header[Scheme.Length..].Trim()
                : null;
    }
}
