using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>The section <c>Auth:KeyRotation</c>: how long a key is in which state. The same for all replicas.</summary>
public sealed class KeyRotationOptions
{
    /// <summary>How long a key signs before the next one does.</summary>
    public TimeSpan SignFor { get; set; } = TimeSpan.FromDays(30);

    /// <summary>How long a key is published before it signs, for everybody to know it by then.</summary>
    public TimeSpan PublishAhead { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How often a replica reads the keys and looks whether another one has its turn.</summary>
    public TimeSpan ReadInterval { get; set; } = TimeSpan.FromMinutes(1);
}

/// <summary>Refuses keys and times that could fail a request or give the keys away.</summary>
internal static class KeyRotationOptionsExtensions
{
    private const int MinSecretLength = 32;

    // JWKS holds all keys whose tokens still live, and every service reads it: one that signs, one ahead, these.
    private const int MaxRetiredKeys = 8;
    private static readonly TimeSpan MinReadInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MaxReadInterval = TimeSpan.FromHours(1);
    private static readonly TimeSpan MaxSignFor = TimeSpan.FromDays(366);

    /// <summary>Adds the checks of everything in <see cref="AuthOptions"/> that is about keys.</summary>
    public static void ValidateKeys(this OptionsBuilder<AuthOptions> options) => options
        .Validate<IHostEnvironment>(
            (auth, environment) => auth.KeyProtectionSecret?.Length >= MinSecretLength
                || (environment.IsDevelopment() && string.IsNullOrEmpty(auth.KeyProtectionSecret)),
            "Auth:KeyProtectionSecret is missing or shorter than 32 characters: set a long random one, the same for "
                + "all replicas, and keep it. It encrypts the keys in the database.")
        .Validate(
            auth => auth.KeyRotation.ReadInterval >= MinReadInterval
                && auth.KeyRotation.ReadInterval <= MaxReadInterval,
            "Auth:KeyRotation:ReadInterval must be from a tenth of a second to an hour.")
        // A replica publishes a new key when it next reads the keys. A service that asks just before that, and whose
        // next question is lost, knows the key after the one that follows.
        .Validate(
            auth => auth.KeyRotation.PublishAhead >= auth.KeyRotation.ReadInterval + (2 * auth.KeyRefreshInterval),
            "Auth:KeyRotation:PublishAhead must be at least Auth:KeyRotation:ReadInterval and twice "
                + "Auth:KeyRefreshInterval together, so that every service knows a key before it signs.")
        .Validate(
            auth => auth.KeyRotation.SignFor > auth.KeyRotation.PublishAhead && auth.KeyRotation.SignFor <= MaxSignFor
                && auth.KeyRotation.SignFor * MaxRetiredKeys >= auth.RefreshTokenLifetime,
            "Auth:KeyRotation:SignFor must be more than Auth:KeyRotation:PublishAhead, at least an eighth of "
                + "Auth:RefreshTokenLifetime and at most 366 days.");
}
