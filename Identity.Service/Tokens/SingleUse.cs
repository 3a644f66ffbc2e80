using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;

namespace Identity.Service;

/// <summary>
/// Makes refresh tokens good for one use, and ends the whole session of one that is used again after the leeway
/// (RFC 9700, 4.14.2). OpenIddict lets uses at the same moment pass each other, and revokes the tokens that a session
/// has when it sees a replay, not one that a refresh is about to add: here the session itself is revoked.
/// </summary>
internal static class SingleUse
{
    /// <summary>Adds the handlers.</summary>
    public static void AddSingleUse(this OpenIddictServerBuilder server)
    {
        server.AddEventHandler(Replay.Descriptor);
        server.RemoveEventHandler(RedeemTokenEntry.Descriptor);
        server.AddEventHandler(Redeem.Descriptor);
    }

    /// <summary>Ends the session of a token that was used before, and not just now.</summary>
    public sealed class Replay(
        IOpenIddictTokenManager tokens,
        Sessions sessions,
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
            else if (await sessions.EndAsync(context.AuthorizationId))
            {
                log.TokenReplayed(context.AuthorizationId!);
                metrics.Replayed();
            }
        }
    }

    /// <summary>Marks a refresh token as used, in place of OpenIddict's handler.</summary>
    public sealed class Redeem(Sessions sessions, AuthOptions auth, SecurityLog log, IdentityMetrics metrics)
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
            if (!await sessions.RedeemAsync(used.GetTokenId()!, context.CancellationToken)
                && auth.RefreshReuseLeeway == TimeSpan.Zero)
            {
                var session = used.GetAuthorizationId();
                await sessions.EndAsync(session);
                log.TokenReplayed(session!);
                metrics.Replayed();
                context.Reject(Errors.InvalidGrant, "This refresh token has been used.");
                return;
            }

            log.TokenRefreshed(used.GetClaim(Claims.Subject));
            metrics.Refreshed(isRotated: true);
        }
    }
}
