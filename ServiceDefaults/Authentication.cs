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

    /// <summary>The claim of a login's tokens that names its session (as in OpenID Connect).</summary>
    public const string SessionClaim = "sid";

    /// <summary>The scope of a service's token: hold, capture and release on any account.</summary>
    public const string LedgerScope = "ledger";

    /// <summary>The policy, by name, for calls of users. Needs <see cref="UserScope"/>.</summary>
    public const string UserPolicy = "user";

    /// <summary>
    /// The policy, by name, for asking models and for what they cost: <see cref="UserPolicy"/>, and an API key needs
    /// the scope of this name. So do the next two.
    /// </summary>
    public const string ChatPolicy = "chat";

    /// <summary>The policy, by name, for reading earlier chats.</summary>
    public const string HistoryPolicy = "history";

    /// <summary>The policy, by name, for balance, ledger and usage.</summary>
    public const string TokensPolicy = "tokens";

    /// <summary>
    /// The policy, by name, for what users do with their account itself. Needs <see cref="UserScope"/> from a login of
    /// the user's own: an API key does not do.
    /// </summary>
    public const string LoginPolicy = "login";

    /// <summary>The role of those who look after other users' accounts.</summary>
    public const string AdminRole = "admin";

    /// <summary>
    /// The policy, by name, for calls of admins: <see cref="LoginPolicy"/>, and <see cref="AdminRole"/>.
    /// </summary>
    public const string AdminPolicy = "admin";

    /// <summary>The policy, by name, for calls between services. Needs <see cref="LedgerScope"/>.</summary>
    public const string LedgerPolicy = "ledger";

    /// <summary>
    /// The scope of tokens that Identity.Service makes for itself, and gives to no client: to close accounts and to
    /// erase chats.
    /// </summary>
    public const string AccountsScope = "accounts";

    /// <summary>The policy, by name, for calls of Identity.Service. Needs <see cref="AccountsScope"/>.</summary>
    public const string AccountsPolicy = "accounts";

    /// <summary>The scope of the ledger's token: ask what a user begins with, and add to the audit log.</summary>
    public const string UsersScope = "users";

    /// <summary>The policy, by name, for such questions. Needs <see cref="UsersScope"/>.</summary>
    public const string UsersPolicy = "users";

    /// <summary>The scope of the gateway's token: ask which sessions have ended.</summary>
    public const string SessionsScope = "sessions";

    /// <summary>The policy, by name, for that. Needs <see cref="SessionsScope"/>.</summary>
    public const string SessionsPolicy = "sessions";

    /// <summary>How far the clocks of two machines may differ.</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often a service asks for the keys unless <c>Auth:KeyRefreshInterval</c> says otherwise. Identity.Service
    /// publishes a key for longer than twice this, a day by default, before it signs with it.
    /// </summary>
    public static readonly TimeSpan DefaultKeyRefreshInterval = TimeSpan.FromMinutes(5);
}

/// <summary>JWT validation, the same in the gateway and in every service.</summary>
public static class Authentication
{
    private static readonly TimeSpan MaxRefreshPause = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Accepts access tokens (RFC 9068: <c>at+jwt</c>, RS256) of Identity.Service, whose keys are read from its
    /// discovery document, and adds the policies of <see cref="Tokens"/>.
    /// </summary>
    /// <param name="builder">
    /// The service's builder; <c>Auth:Issuer</c>, <c>Auth:Authority</c> and <c>Auth:KeyRefreshInterval</c> are read
    /// from it.
    /// </param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddTokenAuthentication<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddOptions<TokenOptions>().BindConfiguration("Auth").ValidateOnStart()
            .Validate(tokens => tokens.IsKeyRefreshIntervalValid, TokenOptions.KeyRefreshIntervalRule);
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer();
        // AddAuthentication brings data protection, for cookies. Here are none, and no key need be made at start.
        foreach (var unused in builder.Services.Where(IsDataProtectionAtStart).ToList())
        {
            builder.Services.Remove(unused);
        }

        builder.Services.AddSingleton<CheckedTokens>();
        builder.Services.AddHttpClient(nameof(JwtBearerOptions.Backchannel));
        builder.Services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme)
            .Configure<IOptions<TokenOptions>, IHttpClientFactory, CheckedTokens>((options, tokens, clients, handler) =>
            {
                options.TokenHandlers.Clear();
                options.TokenHandlers.Add(handler);
                options.Authority = tokens.Value.Authority;
                options.RequireHttpsMetadata = false; // Discovery stays inside the system; TLS ends at the gateway.
                options.Backchannel = clients.CreateClient(nameof(JwtBearerOptions.Backchannel));
                // The least pause between two questions for the keys: for those of KeyRefresh, and for those after a
                // token with an unknown key. Anybody can send such tokens.
                options.RefreshInterval = Min(tokens.Value.KeyRefreshInterval / 2, MaxRefreshPause);
                options.TokenValidationParameters = new TokenValidationParameters
                {
                    ValidIssuer = tokens.Value.Issuer,
                    ValidAudience = Tokens.Audience,
                    ValidTypes = ["at+jwt"],
                    ValidAlgorithms = [SecurityAlgorithms.RsaSha256],
                    // Every token names its key. One that names none or another is not tried with all of them.
                    TryAllIssuerSigningKeys = false,
                    ClockSkew = Tokens.ClockSkew,
                    NameClaimType = "name",
                    RoleClaimType = "role",
                };
            })
            // A key that is published no more, because it was stolen say, would else be good for another hour.
            .PostConfigure(options =>
                ((BaseConfigurationManager)options.ConfigurationManager!).UseLastKnownGoodConfiguration = false);

        builder.Services.AddHostedService<KeyRefresh>();

        // A service that has never seen the keys would call good tokens bad. Once seen they are kept, whatever happens.
        builder.Services.AddHealthChecks().AddCheck<SigningKeysCheck>("signing keys");
        var authorization = builder.Services.AddAuthorizationBuilder()
            .AddPolicy(Tokens.UserPolicy, policy => policy.RequireScope(Tokens.UserScope))
            .AddPolicy(Tokens.AccountsPolicy, policy => policy.RequireScope(Tokens.AccountsScope))
            .AddPolicy(Tokens.UsersPolicy, policy => policy.RequireScope(Tokens.UsersScope))
            .AddPolicy(Tokens.SessionsPolicy, policy => policy.RequireScope(Tokens.SessionsScope))
            .AddPolicy(Tokens.LoginPolicy, policy => policy.RequireLogin())
            .AddPolicy(Tokens.AdminPolicy, policy => policy.RequireLogin().RequireRole(Tokens.AdminRole))
            .AddPolicy(Tokens.LedgerPolicy, policy => policy.RequireScope(Tokens.LedgerScope));
        foreach (var scope in ApiKeys.Scopes)
        {
            authorization.AddPolicy(scope, policy => policy.RequireScope(Tokens.UserScope).RequireKeyScope(scope));
        }

        return builder;
    }

    /// <summary>The caller's account: the number in <c>sub</c>. Only behind <see cref="Tokens.UserPolicy"/>.</summary>
    /// <param name="user">The principal of a validated user token.</param>
    /// <returns>The user's id.</returns>
    public static long GetUserId(this ClaimsPrincipal user) =>
        long.Parse(user.FindFirstValue("sub")!, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>
    /// Asks for the keys regularly, so that a new one is known before it signs anything. JwtBearer by itself does not
    /// see to that: it asks every 12 hours, only when a request comes, and lets that request go by the old keys. Its
    /// answer to an unknown key is to ask after it has refused the request.
    /// </summary>
    private sealed class KeyRefresh(IOptionsMonitor<JwtBearerOptions> options, IOptions<TokenOptions> tokens)
        : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            using var timer = new PeriodicTimer(tokens.Value.KeyRefreshInterval);
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                // In the background. When that fails the keys of before stay, and the next tick asks again.
                options.Get(JwtBearerDefaults.AuthenticationScheme).ConfigurationManager!.RequestRefresh();
            }
        }
    }

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

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static bool IsDataProtectionAtStart(ServiceDescriptor service) =>
        service.ServiceType == typeof(IHostedService)
        && service.ImplementationType?.Namespace?
            .StartsWith("Microsoft.AspNetCore.DataProtection", StringComparison.Ordinal) == true;

    private static AuthorizationPolicyBuilder RequireLogin(this AuthorizationPolicyBuilder policy) => policy
        .RequireScope(Tokens.UserScope)
        .RequireAssertion(context => !context.User.HasClaim(claim => claim.Type == ApiKeys.IdClaim));

    /// <summary>A login may do all that its user may; a key what it was made for.</summary>
    private static AuthorizationPolicyBuilder RequireKeyScope(
        this AuthorizationPolicyBuilder policy, string scope) => policy.RequireAssertion(context =>
        !context.User.HasClaim(claim => claim.Type == ApiKeys.IdClaim)
        || context.User.FindFirst(ApiKeys.ScopesClaim)?.Value.Split(' ').Contains(scope, StringComparer.Ordinal)
            is true);

    private static AuthorizationPolicyBuilder RequireScope(
        this AuthorizationPolicyBuilder policy, string scope) => policy
        .RequireAuthenticatedUser()
        .RequireAssertion(context =>
            context.User.FindAll("scope").Any(claim => claim.Value.Split(' ').Contains(scope, StringComparer.Ordinal)));
}
