using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Identity.Service;

/// <summary>The keys that sign and encrypt tokens, in memory once loaded, and OpenIddict's when they change.</summary>
/// <param name="protection">Protects the keys at rest.</param>
/// <param name="auth">How long keys and tokens live.</param>
/// <param name="clock">Dates new keys.</param>
internal sealed class SigningKeys(IDataProtectionProvider protection, AuthOptions auth, TimeProvider clock)
    : IOptionsChangeTokenSource<OpenIddictServerOptions>
{
    /// <summary>Why keys cannot be opened.</summary>
    public const string Unreadable =
        "The keys in identitydb cannot be read: Auth:KeyProtectionSecret is not the one they were made with.";

    private const int RsaKeyBits = 2048;
    private const int EncryptionKeyBytes = 32;

    private readonly IDataProtector _protector = protection.CreateProtector("Identity.Service.SigningKeys.v1");
    private readonly KeySchedule _schedule = new(auth.KeyRotation, auth.RefreshTokenLifetime);
    private readonly Lock _turn = new();
    private IReadOnlyList<SigningKey> _rows = [];
    private long _readings;
    private long _newestReading;
    private volatile IReadOnlyList<LivingKey> _living = [];
    private ConfigurationReloadToken _changed = new();

    /// <summary>Gets the options' name: OpenIddict has one server.</summary>
    string IOptionsChangeTokenSource<OpenIddictServerOptions>.Name => Options.DefaultName;

    /// <summary>Reads all keys and uses those whose time it is.</summary>
    /// <returns>Whether the next key is due: <see cref="MakeDueAsync"/> makes it.</returns>
    public async Task<bool> LoadAsync(IdentityDb db, CancellationToken cancellationToken)
    {
        var reading = Interlocked.Increment(ref _readings);
        var rows = await db.SigningKeys.AsNoTracking().ToListAsync(cancellationToken);
        lock (_turn)
        {
            // One that was begun earlier and comes later may lack the newest.
            (_rows, _newestReading) = reading > _newestReading ? (rows, reading) : (_rows, _newestReading);
        }

        TakeTurn();
        return IsNextDue(rows);
    }

    /// <summary>
    /// Makes the keys that are due, and loads all. The caller holds the lock: whoever comes second finds them made.
    /// </summary>
    /// <returns>The new keys.</returns>
    public async Task<IReadOnlyList<SigningKey>> MakeDueAsync(IdentityDb db, CancellationToken cancellationToken) =>
        await LoadAsync(db, cancellationToken) ? await MakeAsync(db, cancellationToken) : [];

    /// <summary>
    /// Makes the next keys before they are due, unless some wait for their turn already. The caller holds the lock.
    /// </summary>
    /// <returns>The keys that come next.</returns>
    public async Task<IReadOnlyList<SigningKey>> MakeNextAsync(IdentityDb db, CancellationToken cancellationToken)
    {
        await LoadAsync(db, cancellationToken);
        var now = clock.GetUtcNow();
        var next = _rows.Where(key => key.SignsFrom > now).ToList();
        return next.Count > 0 ? next : await MakeAsync(db, cancellationToken);
    }

    /// <summary>Uses those of the loaded keys whose time it is, and tells OpenIddict when they are others.</summary>
    public void TakeTurn()
    {
        ConfigurationReloadToken changed;
        lock (_turn)
        {
            var now = clock.GetUtcNow();
            var living = Enum.GetValues<KeyUse>().SelectMany(use => _schedule.Living(Of(use, _rows), now)).ToList();
            // Those of before sign on until there are new ones, when all are taken away.
            if (living.Count == 0 || living.Select(row => row.Id).SequenceEqual(_living.Select(key => key.Id)))
            {
                return;
            }

            _living = [.. living.Select(row => _living.FirstOrDefault(key => key.Id == row.Id) ?? Open(row))];
            (changed, _changed) = (_changed, new());
        }

        changed.OnReload();
    }

    /// <summary>
    /// Uses the key ring, for it to be read anew when it is a day old, and to get its next key two days before that is
    /// needed. Used only when a signing key is made, it would be months old, and lack what others have made.
    /// </summary>
    public void TouchRing() => _protector.Protect([]);

    /// <summary>Gives OpenIddict the keys of now. It signs and encrypts with the first and accepts all.</summary>
    /// <param name="options">OpenIddict's options.</param>
    /// <exception cref="InvalidOperationException">The keys are not loaded yet.</exception>
    public void Configure(OpenIddictServerOptions options)
    {
        var living = _living is { Count: > 0 } loaded
            ? loaded
            : throw new InvalidOperationException("The signing keys are not loaded yet.");
        options.SigningCredentials.AddRange(living.Select(key => key.Credentials).OfType<SigningCredentials>());
        options.EncryptionCredentials.AddRange(living.Select(key => key.Credentials).OfType<EncryptingCredentials>());
    }

    /// <inheritdoc/>
    IChangeToken IOptionsChangeTokenSource<OpenIddictServerOptions>.GetChangeToken()
    {
        lock (_turn)
        {
            return _changed;
        }
    }

    private async Task<IReadOnlyList<SigningKey>> MakeAsync(IdentityDb db, CancellationToken cancellationToken)
    {
        // The keys of all uses have their turns together, so that to know one is to know all.
        var made = Enum.GetValues<KeyUse>().Select(use => Make(use, _rows)).ToList();
        db.SigningKeys.AddRange(made);
        await db.SaveChangesAsync(cancellationToken);
        await LoadAsync(db, cancellationToken);
        return made;
    }

    private static IEnumerable<SigningKey> Of(KeyUse use, IEnumerable<SigningKey> rows) =>
        rows.Where(row => row.Use == use);

    private bool IsNextDue(IReadOnlyList<SigningKey> rows) =>
        Enum.GetValues<KeyUse>().Any(use => _schedule.IsNextDue(Of(use, rows), clock.GetUtcNow()));

    private SigningKey Make(KeyUse use, IReadOnlyList<SigningKey> rows)
    {
        using var rsa = use == KeyUse.Signing ? RSA.Create(RsaKeyBits) : null;
        var key = rsa?.ExportPkcs8PrivateKey() ?? RandomNumberGenerator.GetBytes(EncryptionKeyBytes);
        var now = clock.GetUtcNow();
        return new()
        {
            Use = use,
            ProtectedKey = _protector.Protect(key),
            CreatedAt = now,
            SignsFrom = _schedule.SignsFrom(Of(use, rows), now),
        };
    }

    private LivingKey Open(SigningKey row)
    {
        byte[] key;
        try
        {
            key = _protector.Unprotect(row.ProtectedKey);
        }
        catch (CryptographicException)
        {
            throw new OptionsValidationException(nameof(AuthOptions), typeof(AuthOptions), [Unreadable]);
        }

        if (row.Use == KeyUse.Encryption)
        {
            return new(row.Id, new EncryptingCredentials(
                new SymmetricSecurityKey(key), SecurityAlgorithms.Aes256KW, SecurityAlgorithms.Aes256CbcHmacSha512));
        }

        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(key, out _);
        return new(row.Id, new SigningCredentials(
            new RsaSecurityKey(rsa.ExportParameters(true)), SecurityAlgorithms.RsaSha256));
    }

    /// <summary>A key as OpenIddict wants it.</summary>
    /// <param name="Id">The row's.</param>
    /// <param name="Credentials">Signing or encrypting ones.</param>
    private sealed record LivingKey(long Id, object Credentials);
}

/// <summary>Registers the keys.</summary>
internal static class SigningKeysExtensions
{
    /// <summary>Adds <see cref="SigningKeys"/>, which OpenIddict reads when they change, and their rotation.</summary>
    public static void AddSigningKeys(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SigningKeys>();
        builder.Services.AddSingleton<IOptionsChangeTokenSource<OpenIddictServerOptions>>(
            services => services.GetRequiredService<SigningKeys>());
        builder.Services.AddOptions<OpenIddictServerOptions>()
            .Configure<SigningKeys>((options, keys) => keys.Configure(options));
    }
}
