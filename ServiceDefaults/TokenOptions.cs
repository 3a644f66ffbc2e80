namespace Microsoft.Extensions.Hosting;

/// <summary>
/// The section <c>Auth</c> of a service that checks tokens: whose they are, and where the keys come from.
/// </summary>
internal sealed class TokenOptions
{
    /// <summary>What <see cref="KeyRefreshInterval"/> may be, in words.</summary>
    public const string KeyRefreshIntervalRule = "Auth:KeyRefreshInterval must be from 2 seconds to 12 hours.";

    private static readonly TimeSpan MinKeyRefreshInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan MaxKeyRefreshInterval = TimeSpan.FromHours(12);

    /// <summary>The issuer of every token.</summary>
    public string Issuer { get; set; } = Tokens.DefaultIssuer;

    /// <summary>Where the discovery document of Identity.Service is, inside the system.</summary>
    public string Authority { get; set; } = Tokens.DefaultIssuer;

    /// <summary>How often to ask for the keys.</summary>
    public TimeSpan KeyRefreshInterval { get; set; } = Tokens.DefaultKeyRefreshInterval;

    /// <summary>Gets whether <see cref="KeyRefreshInterval"/> fits its rule.</summary>
    public bool IsKeyRefreshIntervalValid =>
        KeyRefreshInterval >= MinKeyRefreshInterval && KeyRefreshInterval <= MaxKeyRefreshInterval;
}
