using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;
using static OpenIddict.Server.OpenIddictServerHandlers.Revocation;

namespace Identity.Service;

/// <summary>
/// Makes refresh tokens good for one use, and ends the whole family of one that is used again after the leeway
/// (RFC 9700, 4.14.2). OpenIddict lets uses at the same moment pass each other, and revokes the tokens that a family
/// has when it sees a replay, not one that a refresh is about to add: here the family itself is revoked.
/// </summary>
internal static class SingleUse
{
    /// <summary>Adds the handlers.</summary>
    /// <param name="server">OpenIddict.</param>
    public static void AddSingleUse(this OpenIddictServerBuilder server)
    {
        server.AddEventHandler(Replay.Descriptor);
        server.RemoveEventHandler(RedeemTokenEntry.Descriptor);
        server.AddEventHandler(Redeem.Descriptor);
        server.AddEventHandler(Revoke.Descriptor);
    }

    /// <summary>Ends the family of a token that was used before, and not just now.</summary>
    /// <param name="tokens">OpenIddict's tokens.</param>
    /// <param name="families">Ends them.</param>
    /// <param name="auth">The leeway.</param>
    /// <param name="clock">The time.</param>
    /// <param name="log">For security monitoring.</param>
    /// <param name="metrics">Counts.</param>
    public sealed class Replay(
        IOpenIddictTokenManager tokens,
        Families families,
        AuthOptions auth,
        TimeProvider clock,
        SecurityLog log,
        IdentityMetrics metrics) : IOpenIddictServerHandler<ValidateTokenContext>
    {
        /// <summary>Gets the registration: before OpenIddict looks at the token's row and refuses it.</summary>
        public static OpenIddictServerHandlerDescriptor Descriptor { get; } =
            OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
                .UseScopedHandler<Replay>()
                .SetOrder(ValidateTokenEntry.Descriptor.Order - 1)
                .SetType(OpenIddictServerHandlerType.Custom)
                .Build();

        /// <inheritdoc/>
        public async ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (context.TokenId is null || context.Principal?.HasTokenType(TokenTypeIdentifiers.RefreshToken) != true)
            {
                return;
            }

            var token = await tokens.FindByIdAsync(context.TokenId, context.CancellationToken);
            if (token is null
                || await tokens.GetRedemptionDateAsync(token, context.CancellationToken) is not { } used)
            {
                return;
            }

            if (clock.GetUtcNow() < used + auth.RefreshReuseLeeway)
            {
                // The client whose answer was lost, or somebody who was quick.
                log.TokenReused(context.AuthorizationId);
                metrics.Reused();
            }
            else if (await families.EndAsync(context.AuthorizationId, context.CancellationToken))
            {
                log.TokenReplayed(context.AuthorizationId!);
                metrics.Replayed();
            }
        }
    }

    /// <summary>Marks a refresh token as used, in place of OpenIddict's handler.</summary>
    /// <param name="families">Marks it.</param>
    /// <param name="auth">The leeway.</param>
    /// <param name="log">For security monitoring.</param>
    /// <param name="metrics">Counts.</param>
    public sealed class Redeem(Families families, AuthOptions auth, SecurityLog log, IdentityMetrics metrics)
        : IOpenIddictServerHandler<ProcessSignInContext>
    {
        /// <summary>Gets the registration: where OpenIddict's own was.</summary>
        public static OpenIddictServerHandlerDescriptor Descriptor { get; } =
            OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
                .UseScopedHandler<Redeem>()
                .SetOrder(RedeemTokenEntry.Descriptor.Order)
                .SetType(OpenIddictServerHandlerType.Custom)
                .Build();

        /// <inheritdoc/>
        public async ValueTask HandleAsync(ProcessSignInContext context)
        {
            if (!context.Request.IsRefreshTokenGrantType())
            {
                return;
            }

            var checkedTokens = context.Transaction.GetProperty<ProcessAuthenticationContext>(
                typeof(ProcessAuthenticationContext).FullName!);
            var used = checkedTokens!.RefreshTokenPrincipal!;
            if (!await families.RedeemAsync(used.GetTokenId()!, context.CancellationToken)
                && auth.RefreshReuseLeeway == TimeSpan.Zero)
            {
                var family = used.GetAuthorizationId();
                await families.EndAsync(family, context.CancellationToken);
                log.TokenReplayed(family!);
                metrics.Replayed();
                context.Reject(Errors.InvalidGrant, "This refresh token has been used.");
                return;
            }

            log.TokenRefreshed(used.GetClaim(Claims.Subject));
            metrics.Refreshed(isRotated: true);
        }
    }

    /// <summary>
    /// Ends the family of a refresh token that its holder gives up (RFC 7009), as POST /api/logout does.
    /// </summary>
    /// <param name="families">Ends it.</param>
    /// <param name="log">For security monitoring.</param>
    public sealed class Revoke(Families families, SecurityLog log)
        : IOpenIddictServerHandler<HandleRevocationRequestContext>
    {
        /// <summary>Gets the registration: before OpenIddict revokes the token alone.</summary>
        public static OpenIddictServerHandlerDescriptor Descriptor { get; } =
            OpenIddictServerHandlerDescriptor.CreateBuilder<HandleRevocationRequestContext>()
                .UseScopedHandler<Revoke>()
                .SetOrder(RevokeToken.Descriptor.Order - 1)
                .SetType(OpenIddictServerHandlerType.Custom)
                .Build();

        /// <inheritdoc/>
        public async ValueTask HandleAsync(HandleRevocationRequestContext context)
        {
            var token = context.GenericTokenPrincipal;
            if (token.HasTokenType(TokenTypeIdentifiers.RefreshToken)
                && await families.EndAsync(token.GetAuthorizationId(), context.CancellationToken))
            {
                log.LoggedOut(token.GetClaim(Claims.Subject), token.GetAuthorizationId()!);
            }
        }
    }
}
