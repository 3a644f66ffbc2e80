using System.Globalization;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;

namespace Microsoft.Extensions.Hosting;

/// <summary>What access tokens of this system carry, and what each scope allows. Written and read here alone.</summary>
public static class Tokens
{
    /// <summary>
    /// The issuer unless <c>Auth:Issuer</c> says otherwise: Identity.Service's name in service discovery.
    /// </summary>
    public const string DefaultIssuer = "http://identity/";

    /// <summary>The audience of every access token.</summary>
    public const string Audience = "aspirechat";

    /// <summary>The scope of a user's token: that user's own chats and tokens.</summary>
    public const string UserScope = "api";

    /// <summary>The scope of a service's token: charge and refund any account.</summary>
    public const string LedgerScope = "ledger";

    /// <summary>The policy, by name, for calls of users. Needs <see cref="UserScope"/>.</summary>
    public const string UserPolicy = "user";

    /// <summary>The role of those who look after other users' accounts.</summary>
    public const string AdminRole = "admin";

    /// <summary>The policy, by name, for calls of admins: a user's token with <see cref="AdminRole"/>.</summary>
    public const string AdminPolicy = "admin";

    /// <summary>The policy, by name, for calls between services. Needs <see cref="LedgerScope"/>.</summary>
    public const string LedgerPolicy = "ledger";
}

/// <summary>JWT validation, the same in the gateway and in every service.</summary>
public static class Authentication
{
    /// <summary>
    /// Accepts access tokens (RFC 9068: <c>at+jwt</c>, RS256) of Identity.Service, whose keys are read from its
    /// discovery document, and adds the policies <see cref="Tokens.UserPolicy"/>, <see cref="Tokens.AdminPolicy"/> and
    /// <see cref="Tokens.LedgerPolicy"/>.
    /// </summary>
    /// <param name="builder">
    /// The service's builder; <c>Auth:Issuer</c> and <c>Auth:Authority</c> are read from it.
    /// </param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddTokenAuthentication<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        var issuer = builder.Configuration["Auth:Issuer"] ?? Tokens.DefaultIssuer;
        var authority = builder.Configuration["Auth:Authority"] ?? Tokens.DefaultIssuer;

        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer();
        // AddAuthentication brings data protection, for cookies. Here are none, and no key need be made at start.
        foreach (var unused in builder.Services.Where(IsDataProtectionAtStart).ToList())
        {
            builder.Services.Remove(unused);
        }

        builder.Services.AddHttpClient(nameof(JwtBearerOptions.Backchannel));
        builder.Services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IHttpClientFactory>((options, clients) =>
            {
                options.Authority = authority;
                options.RequireHttpsMetadata = false; // Discovery stays inside the system; TLS ends at the gateway.
                options.Backchannel = clients.CreateClient(nameof(JwtBearerOptions.Backchannel));
                options.MapInboundClaims = false;
                options.TokenValidationParameters = new TokenValidationParameters
                {
                    ValidIssuer = issuer,
                    ValidAudience = Tokens.Audience,
                    ValidTypes = ["at+jwt"],
                    ValidAlgorithms = [SecurityAlgorithms.RsaSha256],
                    ClockSkew = TimeSpan.FromSeconds(30),
                    NameClaimType = "name",
                    RoleClaimType = "role",
                };
            });

        // A service that has never seen the keys would call good tokens bad. Once seen they are kept, whatever happens.
        builder.Services.AddHealthChecks().AddCheck<SigningKeysCheck>("signing keys");
        builder.Services.AddAuthorizationBuilder()
            .AddPolicy(Tokens.UserPolicy, policy => policy.RequireScope(Tokens.UserScope))
            .AddPolicy(Tokens.AdminPolicy, policy =>
            {
                policy.RequireScope(Tokens.UserScope);
                policy.RequireRole(Tokens.AdminRole);
            })
            .AddPolicy(Tokens.LedgerPolicy, policy => policy.RequireScope(Tokens.LedgerScope));
        return builder;
    }

    /// <summary>The caller's account: the number in <c>sub</c>. Only behind <see cref="Tokens.UserPolicy"/>.</summary>
    /// <param name="user">The principal of a validated user token.</param>
    /// <returns>The user's id.</returns>
    public static long GetUserId(this ClaimsPrincipal user) =>
        long.Parse(user.FindFirstValue("sub")!, NumberStyles.None, CultureInfo.InvariantCulture);

    private sealed class SigningKeysCheck(IOptionsMonitor<JwtBearerOptions> options) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(
            HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var jwt = options.Get(JwtBearerDefaults.AuthenticationScheme);
            try
            {
                await jwt.ConfigurationManager!.GetConfigurationAsync(cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (InvalidOperationException exception)
            {
                return HealthCheckResult.Unhealthy("Identity.Service's keys are not known yet.", exception);
            }
        }
    }

    private static bool IsDataProtectionAtStart(ServiceDescriptor service) =>
        service.ServiceType == typeof(IHostedService)
        && service.ImplementationType?.Namespace?
            .StartsWith("Microsoft.AspNetCore.DataProtection", StringComparison.Ordinal) == true;

    private static void RequireScope(this AuthorizationPolicyBuilder policy, string scope) => policy
        .RequireAuthenticatedUser()
        .RequireAssertion(context =>
            context.User.FindAll("scope").Any(claim => claim.Value.Split(' ').Contains(scope, StringComparer.Ordinal)));
}
