using System.Text.Json.Serialization;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http.HttpResults;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.Service;

/// <summary>The answer of POST /api/login and POST /api/token/refresh.</summary>
/// <param name="Access">The access token.</param>
/// <param name="Refresh">The refresh token, good for one use.</param>
/// <param name="ExpiresIn">How long the access token lives, in seconds.</param>
/// <example>{"access":"eyJhbGciOi…","refresh":"udxaGP-2AwI…","expires_in":3599}</example>
internal sealed record TokenResponse(
    string Access, string Refresh, [property: JsonPropertyName("expires_in")] long ExpiresIn);

/// <summary>Writes what OpenIddict answers in the words of the JSON API: tokens, or problem+json.</summary>
/// <param name="log">For refused refresh tokens.</param>
/// <param name="metrics">Counts them.</param>
internal sealed class JsonTokenResponse(SecurityLog log, IdentityMetrics metrics)
    : IOpenIddictServerHandler<ApplyTokenResponseContext>
{
    /// <summary>What every refresh token that does not work gets to hear.</summary>
    public const string BadRefreshToken =
        "This refresh token is unknown, expired, used or revoked. POST /api/login gives a new one.";

    /// <summary>Gets the registration: after the headers (no-store), before OAuth's own body.</summary>
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } =
        OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyTokenResponseContext>()
            .UseSingletonHandler<JsonTokenResponse>()
            .SetOrder(400_000)
            .SetType(OpenIddictServerHandlerType.Custom)
            .Build();

    /// <inheritdoc/>
    public async ValueTask HandleAsync(ApplyTokenResponseContext context)
    {
        var refused = context.Error == Errors.InvalidGrant && context.Request?.GrantType == GrantTypes.RefreshToken;
        if (refused)
        {
            log.TokenRefreshRefused(context.Response.ErrorDescription);
            metrics.Refreshed(isRotated: false);
        }

        if (context.Error == Errors.InvalidClient)
        {
            log.ClientRefused(context.Response.ErrorDescription);
        }

        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        if (http.Request.Path.StartsWithSegments(TokenServer.TokenPath))
        {
            return;
        }

        if (string.IsNullOrEmpty(context.Error))
        {
            var tokens = new TokenResponse(
                context.Response.AccessToken!, context.Response.RefreshToken!, context.Response.ExpiresIn ?? 0);
            await TypedResults.Ok(tokens).ExecuteAsync(http);
        }
        else
        {
            var description = refused ? BadRefreshToken : context.Response.ErrorDescription;
            await Explain(context.Error, description, http).ExecuteAsync(http);
        }

        context.HandleRequest();
    }

    private static ProblemHttpResult Explain(string error, string? description, HttpContext http)
    {
        if (!HttpMethods.IsPost(http.Request.Method))
        {
            http.Response.Headers.Allow = HttpMethods.Post;
            return TypedResults.Problem(statusCode: StatusCodes.Status405MethodNotAllowed);
        }

        return TypedResults.Problem(description, statusCode: error switch
        {
            Errors.InvalidGrant or Errors.InvalidClient => StatusCodes.Status401Unauthorized,
            Errors.ServerError => StatusCodes.Status500InternalServerError,
            _ => StatusCodes.Status400BadRequest,
        });
    }
}
