using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;

namespace Identity.Service;

/// <summary>
/// Reads the keys anew when a token names one that this replica does not know: another replica has made it since, and
/// its tokens are good here too. For a refresh token that is the key that encrypted it, which comes and goes with the
/// one that signed it.
/// </summary>
/// <param name="rotation">Reads the keys.</param>
/// <param name="options">OpenIddict's options, with the keys of now.</param>
internal sealed class UnknownKeys(RotateKeys rotation, IOptionsMonitor<OpenIddictServerOptions> options)
    : IOpenIddictServerHandler<ValidateTokenContext>
{
    /// <summary>Gets the registration: when a reference has become a token, before the token is checked.</summary>
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } =
        OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
            .UseSingletonHandler<UnknownKeys>()
            .SetOrder(ValidateIdentityModelToken.Descriptor.Order - 1)
            .SetType(OpenIddictServerHandlerType.Custom)
            .Build();

    /// <inheritdoc/>
    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (KeyId(context.Token) is not { } keyId || IsKnown(keyId, context.Options))
        {
            return;
        }

        await rotation.ReadForATokenAsync(context.CancellationToken);
        // This request began with the options of before.
        var parameters = options.CurrentValue.TokenValidationParameters;
        context.TokenValidationParameters!.IssuerSigningKeys = parameters.IssuerSigningKeys;
        context.TokenValidationParameters.TokenDecryptionKeys = parameters.TokenDecryptionKeys;
    }

    private static bool IsKnown(string keyId, OpenIddictServerOptions options) =>
        options.SigningCredentials.Exists(each => each.Key.KeyId == keyId)
        || options.EncryptionCredentials.Exists(each => each.Key.KeyId == keyId);

    private static string? KeyId(string? token)
    {
        try
        {
            return string.IsNullOrEmpty(token) ? null : new JsonWebToken(token).Kid;
        }
        catch (ArgumentException)
        {
            return null; // Not a token; whoever checks it says so.
        }
    }
}
