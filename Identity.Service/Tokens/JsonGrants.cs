using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Service;

/// <summary>A token request in JSON, and the form OAuth wants for it.</summary>
internal interface IJsonGrant
{
    /// <summary>The sentence about what is missing, or null.</summary>
    string? Missing { get; }

    /// <summary>The same request as form values (RFC 6749, 4.3.2 and 6). Only when nothing is missing.</summary>
    Dictionary<string, StringValues> ToForm();
}

/// <summary>The body of POST /api/login.</summary>
/// <param name="Username">The user's name.</param>
/// <param name="Password">The password.</param>
/// <example>{"username":"alice","password":"correct horse battery"}</example>
internal sealed record LoginRequest([Required] string? Username, [Required] string? Password) : IJsonGrant
{
    /// <inheritdoc/>
    [JsonIgnore]
    public string? Missing => string.IsNullOrEmpty(Username) || string.IsNullOrEmpty(Password)
        ? "Send a 'username' and a 'password'."
        : null;

    /// <inheritdoc/>
    public Dictionary<string, StringValues> ToForm() => new()
    {
        [Parameters.GrantType] = GrantTypes.Password,
        [Parameters.Username] = Username,
        [Parameters.Password] = Password,
    };
}

/// <summary>The body of POST /api/token/refresh and of POST /api/logout.</summary>
/// <param name="Refresh">The refresh token.</param>
/// <example>{"refresh":"udxaGP-2AwI…"}</example>
internal sealed record RefreshRequest([Required] string? Refresh) : IJsonGrant
{
    /// <inheritdoc/>
    [JsonIgnore]
    public string? Missing => string.IsNullOrEmpty(Refresh)
        ? "Send the refresh token as 'refresh'."
        : null;

    /// <inheritdoc/>
    public Dictionary<string, StringValues> ToForm() => new()
    {
        [Parameters.GrantType] = GrantTypes.RefreshToken,
        [Parameters.RefreshToken] = Refresh,
    };
}

/// <summary>Lets OpenIddict, which reads forms, read JSON at the endpoints that say so.</summary>
internal static class JsonGrants
{
    private delegate ValueTask<IJsonGrant?> Reader(HttpRequest request);

    /// <summary>Makes an endpoint take its token request as JSON.</summary>
    /// <typeparam name="TGrant">The body.</typeparam>
    /// <remarks>
    /// Not with Accepts(): routing would then pick an endpoint of its own for other content types, without this
    /// metadata, and OpenIddict would read the form.
    /// </remarks>
    public static RouteHandlerBuilder TakesJson<TGrant>(this RouteHandlerBuilder endpoint)
        where TGrant : class, IJsonGrant => endpoint
        .Takes<TGrant>()
        .Produces<TokenResponse>()
        .WithMetadata((Reader)(async request =>
            await request.ReadFromJsonAsync<TGrant>(request.HttpContext.RequestAborted)));

    /// <summary>Turns the JSON into a form. After routing, before OpenIddict reads the request.</summary>
    public static void UseJsonGrants(this WebApplication app) => app.Use(async (context, next) =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<Reader>() is { } reader)
        {
            var grant = await Read(reader, context.Request);
            if (grant.Missing is { } missing)
            {
                await TypedResults.Problem(missing, statusCode: StatusCodes.Status400BadRequest).ExecuteAsync(context);
                return;
            }

            // Those are users' calls. OpenIddict would take it for a client's id and secret, and hash the secret.
            context.Request.Headers.Authorization = default;
            context.Request.ContentType = "application/x-www-form-urlencoded";
            context.Features.Set<IFormFeature>(new FormFeature(new FormCollection(grant.ToForm())));
        }

        await next(context);
    });

    // The exceptions are those of minimal API binding, so that UseProblems answers alike everywhere.
    private static async ValueTask<IJsonGrant> Read(Reader reader, HttpRequest request)
    {
        if (request.ContentLength != 0 && !request.HasJsonContentType())
        {
            throw new BadHttpRequestException("The body is not JSON.", StatusCodes.Status415UnsupportedMediaType);
        }

        try
        {
            return (request.ContentLength == 0 ? null : await reader(request))
                ?? throw new BadHttpRequestException("The body is empty.");
        }
        catch (JsonException unreadable)
        {
            throw new BadHttpRequestException("The body is not valid JSON.", unreadable);
        }
    }
}
