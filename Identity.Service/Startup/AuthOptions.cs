using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>The section <c>Auth</c>: who issues tokens, how long they live, how hard a password is to guess.</summary>
public sealed class AuthOptions
{
    /// <summary>The issuer of every token: an absolute http(s) URI.</summary>
    public Uri Issuer { get; set; } = new(Tokens.DefaultIssuer);

    /// <summary>How long an access token lives.</summary>
    public TimeSpan AccessTokenLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How long a refresh token lives; each rotation starts anew.</summary>
    public TimeSpan RefreshTokenLifetime { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How long a session lasts, however often it is refreshed.</summary>
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How long a used refresh token still works, for clients whose answer was lost on the way.</summary>
    public TimeSpan RefreshReuseLeeway { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Encrypts the data-protection key ring in the database, which protects the signing keys there: at least 32 random
    /// characters. Only in Development may it be missing; the ring is then readable for whoever reads the database.
    /// </summary>
    public string KeyProtectionSecret { get; set; } = "";

    /// <summary>When signing keys change.</summary>
    public KeyRotationOptions KeyRotation { get; set; } = new();

    /// <summary>How often services ask for the keys. They read the same setting.</summary>
    public TimeSpan KeyRefreshInterval { get; set; } = Tokens.DefaultKeyRefreshInterval;

    /// <summary>Iterations of PBKDF2 with HMAC-SHA512. The default is OWASP's figure.</summary>
    public int PasswordIterations { get; set; } = 210_000;
}

/// <summary>Reads <see cref="AuthOptions"/> and refuses unsafe ones before the service starts.</summary>
internal static class AuthOptionsExtensions
{
    // An access token is good by itself, so its life bounds what a stolen one can do.
    private static readonly TimeSpan MaxAccessTokenLifetime = TimeSpan.FromDays(1);
    private static readonly TimeSpan MaxRefreshTokenLifetime = TimeSpan.FromDays(90);
    private static readonly TimeSpan MaxSessionLifetime = TimeSpan.FromDays(366);
    private static readonly TimeSpan MaxReuseLeeway = TimeSpan.FromSeconds(30);

    // NIST SP 800-63B, 5.1.1.2: "at least 10,000 iterations".
    private const int MinPasswordIterations = 10_000;
    private const int MaxPasswordIterations = 10_000_000;

    /// <summary>Adds the options, checked at start, also as themselves.</summary>
    public static void AddAuthOptions(this IHostApplicationBuilder builder)
    {
        var options = builder.Services.AddOptions<AuthOptions>().BindConfiguration("Auth").ValidateOnStart()
            .Validate(
                auth => auth.Issuer is { IsAbsoluteUri: true, Scheme: "http" or "https", Query: "", Fragment: "" }
                    // Validators compare text: 'http://identity' would be written to tokens as 'http://identity/'.
                    && auth.Issuer.OriginalString == auth.Issuer.AbsoluteUri,
                "Auth:Issuer must be an absolute http or https URI like 'http://identity/', without query or fragment.")
            .Validate(
                auth => auth.AccessTokenLifetime > TimeSpan.Zero && auth.AccessTokenLifetime <= MaxAccessTokenLifetime,
                "Auth:AccessTokenLifetime must be more than zero and at most one day.")
            .Validate(
                auth => auth.RefreshTokenLifetime >= auth.AccessTokenLifetime
                    && auth.RefreshTokenLifetime <= MaxRefreshTokenLifetime,
                "Auth:RefreshTokenLifetime must be at least Auth:AccessTokenLifetime and at most 90 days.")
            .Validate(
                auth => auth.SessionLifetime >= auth.RefreshTokenLifetime && auth.SessionLifetime <= MaxSessionLifetime,
                "Auth:SessionLifetime must be at least Auth:RefreshTokenLifetime and at most 366 days.")
            .Validate(
                auth => auth.RefreshReuseLeeway >= TimeSpan.Zero && auth.RefreshReuseLeeway <= MaxReuseLeeway
                    && auth.RefreshReuseLeeway < auth.RefreshTokenLifetime,
                "Auth:RefreshReuseLeeway must be from zero to 30 seconds, and less than Auth:RefreshTokenLifetime.")
            .Validate(
                auth => auth.PasswordIterations is >= MinPasswordIterations and <= MaxPasswordIterations,
                "Auth:PasswordIterations must be from 10000 to 10000000.");
        options.ValidateKeys();
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<AuthOptions>>().Value);
    }
}
