using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace Identity.Service;

/// <summary>The keys that sign and encrypt tokens, in memory once loaded.</summary>
/// <param name="protection">Protects the keys at rest.</param>
/// <param name="clock">Dates new keys.</param>
internal sealed class SigningKeys(IDataProtectionProvider protection, TimeProvider clock)
{
    private const int RsaKeyBits = 2048;
    private const int EncryptionKeyBytes = 32;

    private readonly IDataProtector _protector = protection.CreateProtector("Identity.Service.SigningKeys.v1");
    private volatile IReadOnlyList<(KeyUse Use, byte[] Key)>? _keys;

    /// <summary>Loads all keys, newest first, and makes those that are missing. The caller holds the lock.</summary>
    /// <param name="db">The database.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task LoadAsync(IdentityDb db, CancellationToken cancellationToken)
    {
        var rows = await db.SigningKeys.AsNoTracking().OrderByDescending(key => key.Id).ToListAsync(cancellationToken);
        foreach (var use in Enum.GetValues<KeyUse>().Where(use => rows.TrueForAll(row => row.Use != use)))
        {
            var row = new SigningKey { Use = use, ProtectedKey = Create(use), CreatedAt = clock.GetUtcNow() };
            db.SigningKeys.Add(row);
            await db.SaveChangesAsync(cancellationToken);
            rows.Add(row);
        }

        _keys = [.. rows.Select(row => (row.Use, _protector.Unprotect(row.ProtectedKey)))];
    }

    /// <summary>Gives OpenIddict the loaded keys. It signs and encrypts with the first and accepts all.</summary>
    /// <param name="options">OpenIddict's options.</param>
    /// <exception cref="InvalidOperationException">The keys are not loaded yet.</exception>
    public void Configure(OpenIddictServerOptions options)
    {
        foreach (var (use, key) in _keys ?? throw new InvalidOperationException("The signing keys are not loaded yet."))
        {
            if (use == KeyUse.Signing)
            {
                using var rsa = RSA.Create();
                rsa.ImportPkcs8PrivateKey(key, out _);
                options.SigningCredentials.Add(
                    new(new RsaSecurityKey(rsa.ExportParameters(true)), SecurityAlgorithms.RsaSha256));
            }
            else
            {
                options.EncryptionCredentials.Add(new(
                    new SymmetricSecurityKey(key),
                    SecurityAlgorithms.Aes256KW,
                    SecurityAlgorithms.Aes256CbcHmacSha512));
            }
        }
    }

    private byte[] Create(KeyUse use)
    {
        using var rsa = use == KeyUse.Signing ? RSA.Create(RsaKeyBits) : null;
        return _protector.Protect(rsa?.ExportPkcs8PrivateKey() ?? RandomNumberGenerator.GetBytes(EncryptionKeyBytes));
    }
}

/// <summary>Registers the keys.</summary>
internal static class SigningKeysExtensions
{
    /// <summary>Adds <see cref="SigningKeys"/>, which OpenIddict reads when its first request comes.</summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddSigningKeys(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SigningKeys>();
        builder.Services.AddOptions<OpenIddictServerOptions>()
            .Configure<SigningKeys>((options, keys) => keys.Configure(options));
    }

    /// <summary>
    /// Adds data protection with its key ring in the database. After <see cref="PrepareAtStart"/>: that way its first
    /// key is made under the lock, and replicas that start together make one, not one each.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddKeyProtection(this IHostApplicationBuilder builder) => builder.Services
        .AddDataProtection()
        .SetApplicationName("AspireChat.Identity")
        .PersistKeysToDbContext<IdentityDb>();
}
