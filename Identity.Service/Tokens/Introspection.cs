using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers.Introspection;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;

namespace Identity.Service;

/// <summary>POST /connect/introspect (RFC 7662): for clients with a secret and the permission, nobody else.</summary>
internal static class Introspection
{
    /// <summary>Adds what OpenIddict leaves open: who may ask, and which scopes a token has.</summary>
    /// <param name="server">OpenIddict.</param>
    public static void AddIntrospection(this OpenIddictServerBuilder server)
    {
        server.AddEventHandler<ValidateIntrospectionRequestContext>(handler => handler
            .UseInlineHandler(RequireSecret)
            .SetOrder(ValidateTokenParameter.Descriptor.Order - 1));
        server.AddEventHandler<ValidateTokenContext>(handler => handler
            .UseInlineHandler(FindFamily)
            .SetOrder(ValidateAuthorizationEntry.Descriptor.Order - 1));
        server.AddEventHandler<HandleIntrospectionRequestContext>(handler => handler
            .UseInlineHandler(AddScopes)
            .SetOrder(AttachApplicationClaims.Descriptor.Order + 1));
    }

    /// <summary>
    /// Users log in without a client, which OpenIddict then allows here too. Without a secret anybody could try tokens
    /// (RFC 7662, 2.1 and 4).
    /// </summary>
    private static ValueTask RequireSecret(ValidateIntrospectionRequestContext context)
    {
        if (string.IsNullOrEmpty(context.Request.ClientId) || string.IsNullOrEmpty(context.Request.ClientSecret))
        {
            context.Reject(Errors.InvalidClient, "Introspection is for clients that show their secret.");
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// OpenIddict looks whether the family is revoked when the token has a row, which access tokens have not here. They
    /// name it all the same.
    /// </summary>
    private static ValueTask FindFamily(ValidateTokenContext context)
    {
        context.AuthorizationId ??= context.Principal?.GetAuthorizationId();
        return ValueTask.CompletedTask;
    }

    /// <summary>OpenIddict tells them to clients in the token's audience; here that is one for all services.</summary>
    private static ValueTask AddScopes(HandleIntrospectionRequestContext context)
    {
        context.Scopes.UnionWith(context.GenericTokenPrincipal.GetScopes());
        return ValueTask.CompletedTask;
    }
}
