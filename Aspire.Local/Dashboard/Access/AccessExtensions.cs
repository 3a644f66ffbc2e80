using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace Aspire.Dashboard.Access;

/// <summary>The names by which endpoints say who may use them.</summary>
internal static class AccessPolicies
{
    /// <summary>People who have logged in.</summary>
    public const string Browser = "browser";

    /// <summary>The same, and programs with the token.</summary>
    public const string Api = "api";

    /// <summary>Processes that send telemetry.</summary>
    public const string Otlp = "otlp";
}

/// <summary>Who may do what.</summary>
internal static class AccessExtensions
{
    private const string Token = "token";
    private const string OtlpKey = "otlp-key";

    /// <summary>Adds the ways to be let in. Contradictory options stop the start.</summary>
    public static void AddAccess(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<DashboardOptions>().BindConfiguration("Dashboard")
            .ValidateDataAnnotations().ValidateOnStart();
        // Whoever has logged in logs in again after a restart, which has another token.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme)
            .AddCookie(cookie =>
            {
                cookie.LoginPath = Login.Path;
                cookie.ReturnUrlParameter = Login.ReturnUrl;
                cookie.Cookie.SameSite = SameSiteMode.Lax;
            })
            .AddScheme<SecretOptions, SecretHandler>(Token, null)
            .AddScheme<SecretOptions, SecretHandler>(OtlpKey, options => options.Header = "x-otlp-api-key");
        builder.Services.AddOptions<SecretOptions>(Token).Configure<IOptions<DashboardOptions>>(
            (secret, dashboard) => secret.Secret = dashboard.Value.Frontend.AuthMode == AuthMode.Unsecured
                ? null
                : dashboard.Value.Frontend.BrowserToken);
        builder.Services.AddOptions<SecretOptions>(OtlpKey).Configure<IOptions<DashboardOptions>>(
            (secret, dashboard) => secret.Secret = dashboard.Value.Otlp.AuthMode == AuthMode.Unsecured
                ? null
                : dashboard.Value.Otlp.PrimaryApiKey);
        // Cookies go by host without regard to port: two dashboards of one machine need two names.
        builder.Services.AddOptions<CookieAuthenticationOptions>(CookieAuthenticationDefaults.AuthenticationScheme)
            .Configure<IConfiguration>((options, configuration) => options.Cookie.Name = "aspire-dashboard-"
                + new Uri(configuration.FrontendUrls().Split(';')[0]).Port);
        builder.Services.AddAuthorizationBuilder()
            .AddPolicy(AccessPolicies.Browser, policy => policy.RequireAuthenticatedUser()
                .AddAuthenticationSchemes(Token, CookieAuthenticationDefaults.AuthenticationScheme))
            .AddPolicy(AccessPolicies.Api, policy => policy.RequireAuthenticatedUser()
                .AddAuthenticationSchemes(CookieAuthenticationDefaults.AuthenticationScheme, Token))
            .AddPolicy(AccessPolicies.Otlp, policy => policy.RequireAuthenticatedUser()
                .AddAuthenticationSchemes(OtlpKey));
    }

    /// <summary>Lets in those who may, and tells browsers to make nothing of an answer but what it is.</summary>
    public static void UseAccess(this WebApplication app)
    {
        app.Use((context, next) =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers.XFrameOptions = "DENY";
            context.Response.Headers["Referrer-Policy"] = "no-referrer"; // The token may be in the address.
            return next(context);
        });
        app.UseRouting();
        app.UseAddresses();
        app.UseAuthentication();
        app.UseAuthorization();
    }
}
