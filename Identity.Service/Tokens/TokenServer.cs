using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.Service;

/// <summary>OpenIddict, the OAuth 2.0 server.</summary>
internal static class TokenServer
{
    /// <summary>The plain OAuth token endpoint (RFC 6749), first because discovery names the first.</summary>
    public const string TokenPath = "/connect/token";

    /// <summary>The token endpoint of the password grant in JSON.</summary>
    public const string LoginPath = "/api/login";

    /// <summary>The token endpoint of the refresh grant in JSON.</summary>
    public const string RefreshPath = "/api/token/refresh";

    /// <summary>
    /// Adds OpenIddict with its stores in <see cref="IdentityDb"/>: access tokens that every service can check by
    /// itself, refresh tokens that live in the database, rotate, and are revoked by session.
    /// </summary>
    public static void AddTokenServer(this IHostApplicationBuilder builder)
    {
        builder.Services.AddExceptionHandler<MalformedForm>();
        builder.Services.AddScoped<ApiKeyGrant>();
        builder.Services.AddHostedService<PruneTokens>();
        builder.Services.AddScoped<Sessions>();
        builder.Services.AddSingleton<RotateKeys>();
        builder.Services.AddHostedService(services => services.GetRequiredService<RotateKeys>());
        builder.Services.AddOpenIddict()
            .AddCore(core => core.UseEntityFrameworkCore().UseDbContext<IdentityDb>().ReplaceDefaultEntities<long>())
            .AddServer(server =>
            {
                server.SetTokenEndpointUris(TokenPath[1..], LoginPath[1..], RefreshPath[1..]);
                server.AllowPasswordFlow().AllowRefreshTokenFlow().AllowClientCredentialsFlow();
                server.AllowCustomFlow(ApiKeys.GrantType);
                server.AcceptAnonymousClients();
                server.DisableAccessTokenEncryption().UseReferenceRefreshTokens();
                server.RegisterScopes(Tokens.UserScope, Tokens.LedgerScope, Tokens.UsersScope, Tokens.SessionsScope);
                server.AddEventHandler<ProcessAuthenticationContext>(handler => handler
                    .UseInlineHandler(RefuseNulInClientId)
                    .SetOrder(int.MinValue));
                server.AddEventHandler<ProcessSignInContext>(handler => handler
                    .UseInlineHandler(AddRefreshToken)
                    .SetOrder(OpenIddictServerHandlers.EvaluateGeneratedTokens.Descriptor.Order + 1));
                server.AddEventHandler<GenerateTokenContext>(handler => handler
                    .UseInlineHandler(KeepNoAccessTokens)
                    .SetOrder(OpenIddictServerHandlers.Protection.CreateTokenEntry.Descriptor.Order - 1));
                server.AddEventHandler(JsonTokenResponse.Descriptor);
                server.AddEventHandler(UnknownKeys.Descriptor);
                server.AddSingleUse();
                server.UseAspNetCore()
                    .EnableTokenEndpointPassthrough()
                    .DisableTransportSecurityRequirement(); // TLS ends at the gateway.
            });
        builder.Services.AddOptions<OpenIddictServerOptions>().Configure<AuthOptions>((options, auth) =>
        {
            options.Issuer = auth.Issuer;
            options.AccessTokenLifetime = auth.AccessTokenLifetime;
            options.RefreshTokenLifetime = auth.RefreshTokenLifetime;
            options.RefreshTokenReuseLeeway = auth.RefreshReuseLeeway;
            // Every token names its key. One that names none or another is not tried with all of them.
            options.TokenValidationParameters.TryAllIssuerSigningKeys = false;
            // Signatures, and what encrypts refresh tokens.
            options.TokenValidationParameters.ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.Aes256KW, SecurityAlgorithms.Aes256CbcHmacSha512,
            ];
        });
    }

    /// <summary>
    /// Postgres has no text with a NUL. In forms ASP.NET Core refuses it, but an id may come in Basic authentication.
    /// </summary>
    private static ValueTask RefuseNulInClientId(ProcessAuthenticationContext context)
    {
        if (context.Request?.ClientId?.Contains('\0') == true)
        {
            context.Reject(Errors.InvalidClient, "There is no such client.");
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// A user who logs in always gets a refresh token, a client or key never; offline_access need not be asked for.
    /// </summary>
    private static ValueTask AddRefreshToken(ProcessSignInContext context)
    {
        var isUser = context.Request.GrantType is GrantTypes.Password or GrantTypes.RefreshToken;
        (context.GenerateRefreshToken, context.IncludeRefreshToken) = (isUser, isUser);
        return ValueTask.CompletedTask;
    }

    /// <summary>Access tokens are checked by their signature alone, so a row for each is only a cost.</summary>
    private static ValueTask KeepNoAccessTokens(GenerateTokenContext context)
    {
        context.CreateTokenEntry &= context.TokenType != TokenTypeIdentifiers.AccessToken;
        return ValueTask.CompletedTask;
    }
}
