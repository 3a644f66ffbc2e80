using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using OpenIddict.Server;

namespace Identity.Service;

/// <summary>Access tokens in this service, which issues them.</summary>
internal static class AccountAuthentication
{
    /// <summary>
    /// Checks access tokens as all services do, but with the keys that are here: asking its own discovery document for
    /// them would be asking itself over the network.
    /// </summary>
    public static void AddAccountAuthentication(this IHostApplicationBuilder builder)
    {
        builder.AddTokenAuthentication();
        builder.Services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IOptionsMonitor<OpenIddictServerOptions>>((jwt, server) =>
            {
                jwt.Authority = null;
                jwt.Configuration = new OpenIdConnectConfiguration();
                // Asked for at each token: the keys change while the service runs. All that it gives are tried.
                jwt.TokenValidationParameters.IssuerSigningKeyResolver = (_, _, keyId, _) =>
                    server.CurrentValue.SigningCredentials.Select(credentials => credentials.Key)
                        .Where(key => key.KeyId == keyId);
            });
    }
}
