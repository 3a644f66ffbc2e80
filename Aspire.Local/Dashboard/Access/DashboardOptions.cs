using System.ComponentModel.DataAnnotations;

namespace Aspire.Dashboard.Access;

/// <summary>
/// The section <c>Dashboard</c> of the configuration. The AppHost sets it by environment variables, with the names that
/// Aspire's dashboard has: <c>DASHBOARD__FRONTEND__BROWSERTOKEN</c>, <c>DASHBOARD__OTLP__PRIMARYAPIKEY</c> …
/// </summary>
internal sealed class DashboardOptions : IValidatableObject
{
    /// <summary>Who may see the pages and ask the API.</summary>
    public FrontendOptions Frontend { get; init; } = new();

    /// <summary>Who may send telemetry.</summary>
    public OtlpOptions Otlp { get; init; } = new();

    /// <summary>Where the AppHost tells of its resources.</summary>
    public ResourceServiceOptions ResourceServiceClient { get; init; } = new();

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (string.IsNullOrEmpty(Frontend.BrowserToken) && Frontend.AuthMode != AuthMode.Unsecured)
        {
            yield return new("Dashboard:Frontend:BrowserToken is missing: set it, or let everybody in with "
                + "Dashboard:Frontend:AuthMode=Unsecured.");
        }

        if (string.IsNullOrEmpty(Otlp.PrimaryApiKey) && Otlp.AuthMode != AuthMode.Unsecured)
        {
            yield return new("Dashboard:Otlp:PrimaryApiKey is missing: set it, or let everybody send with "
                + "Dashboard:Otlp:AuthMode=Unsecured.");
        }
    }
}

/// <summary>Who may see the pages and ask the API.</summary>
internal sealed class FrontendOptions
{
    /// <summary>BrowserToken, or Unsecured for everybody.</summary>
    public AuthMode AuthMode { get; init; } = AuthMode.BrowserToken;

    /// <summary>The secret: of <c>/login?t=…</c> and of <c>Authorization: Bearer …</c>.</summary>
    public string? BrowserToken { get; init; }
}

/// <summary>Who may send telemetry.</summary>
internal sealed class OtlpOptions
{
    /// <summary>ApiKey, or Unsecured for everybody.</summary>
    public AuthMode AuthMode { get; init; } = AuthMode.ApiKey;

    /// <summary>The secret in the header <c>x-otlp-api-key</c>.</summary>
    public string? PrimaryApiKey { get; init; }
}

/// <summary>Where the AppHost tells of its resources.</summary>
internal sealed class ResourceServiceOptions
{
    /// <summary>Its address; null when there is no AppHost, and telemetry is all that is shown.</summary>
    public Uri? Url { get; init; }

    /// <summary>The secret in the header <c>x-resource-service-api-key</c>.</summary>
    public string? ApiKey { get; init; }
}

/// <summary>What lets a caller in.</summary>
internal enum AuthMode
{
    /// <summary>The secret for people.</summary>
    BrowserToken,

    /// <summary>The secret for programs.</summary>
    ApiKey,

    /// <summary>Nothing: everybody is let in.</summary>
    Unsecured,
}
