using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>
/// Encrypts the secrets of the key ring with AES-256-GCM and a key derived (HKDF, RFC 5869) from a secret that is not
/// in the database.
/// </summary>
/// <param name="secret">The secret: random, so that nothing slower than HKDF is needed.</param>
internal sealed class KeyRingEncryptor(string secret) : IXmlEncryptor
{
    /// <summary>The element that holds what was encrypted.</summary>
    public const string ElementName = "encryptedKey";

    private const int KeyBytes = 32;
    private static readonly byte[] Purpose = "Identity.Service.KeyRing.v1"u8.ToArray();
    private static readonly int NonceBytes = AesGcm.NonceByteSizes.MaxSize;
    private static readonly int TagBytes = AesGcm.TagByteSizes.MaxSize;

    private readonly byte[] _key = HKDF.DeriveKey(
        HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), KeyBytes, info: Purpose);

    /// <inheritdoc/>
    public EncryptedXmlInfo Encrypt(XElement plaintextElement)
    {
        var plain = Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting));
        var stored = new byte[NonceBytes + plain.Length + TagBytes];
        var nonce = stored.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key, TagBytes);
        aes.Encrypt(nonce, plain, stored.AsSpan(NonceBytes, plain.Length), stored.AsSpan(^TagBytes..), Purpose);
        return new(new XElement(ElementName, Convert.ToBase64String(stored)), typeof(KeyRingDecryptor));
    }

    /// <summary>The reverse.</summary>
    /// <param name="element">What <see cref="Encrypt"/> gave.</param>
    /// <exception cref="CryptographicException">Another secret encrypted it, or it was altered.</exception>
    public XElement Decrypt(XElement element)
    {
        var stored = Convert.FromBase64String(element.Value);
        if (stored.Length < NonceBytes + TagBytes)
        {
            throw new CryptographicException("An encrypted key of the key ring is cut short.");
        }

        var plain = new byte[stored.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(_key, TagBytes);
        aes.Decrypt(
            stored.AsSpan(0, NonceBytes), stored.AsSpan(NonceBytes, plain.Length), stored.AsSpan(^TagBytes..), plain,
            Purpose);
        return XElement.Parse(Encoding.UTF8.GetString(plain));
    }
}

/// <summary>
/// Reads what <see cref="KeyRingEncryptor"/> wrote. Data protection makes one by the name that is in the rows, so this
/// type's name has to stay.
/// </summary>
/// <param name="services">Where the secret comes from.</param>
internal sealed class KeyRingDecryptor(IServiceProvider services) : IXmlDecryptor
{
    /// <inheritdoc/>
    public XElement Decrypt(XElement encryptedElement) =>
        new KeyRingEncryptor(services.GetRequiredService<AuthOptions>().KeyProtectionSecret).Decrypt(encryptedElement);
}

/// <summary>The ring in the database, before data protection uses it.</summary>
/// <param name="db">Where it is.</param>
/// <param name="ring">Adds a key.</param>
/// <param name="auth">The secret.</param>
/// <param name="clock">Dates the key.</param>
internal sealed class KeyRing(IdentityDb db, IKeyManager ring, AuthOptions auth, TimeProvider clock)
{
    private static readonly TimeSpan KeyLifetime = TimeSpan.FromDays(90);

    /// <summary>
    /// Refuses a secret that does not open the ring. Data protection would make do: it would add a key that the right
    /// secret cannot open, or without a secret one that anybody can, and use that from then on. A ring from before
    /// there was a secret gets an encrypted key, to be used from now on.
    /// </summary>
    /// <exception cref="OptionsValidationException">The secret is another one, or missing.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        var rows = await db.DataProtectionKeys.AsNoTracking().OrderBy(key => key.Id).Select(key => key.Xml)
            .ToListAsync(cancellationToken);
        var encrypted = rows.Select(xml => XElement.Parse(xml!)).Where(element => element.Name == "key")
            .Select(key => key.Descendants(KeyRingEncryptor.ElementName).SingleOrDefault()).ToList();
        foreach (var element in encrypted.OfType<XElement>())
        {
            Open(element);
        }

        if (encrypted is [.., null] && auth.KeyProtectionSecret.Length > 0)
        {
            var now = clock.GetUtcNow();
            ring.CreateNewKey(now, now + KeyLifetime);
        }
    }

    private void Open(XElement element)
    {
        try
        {
            new KeyRingEncryptor(auth.KeyProtectionSecret).Decrypt(element);
        }
        catch (CryptographicException)
        {
            throw new OptionsValidationException(nameof(AuthOptions), typeof(AuthOptions), [SigningKeys.Unreadable]);
        }
    }
}

/// <summary>Registers the key ring.</summary>
internal static class KeyRingExtensions
{
    /// <summary>
    /// Adds data protection with its key ring in the database. After <see cref="PrepareAtStart"/>: that way its first
    /// key is made under the lock, and replicas that start together make one, not one each. Rings that were written
    /// without a secret stay readable; keys added to them from then on are encrypted.
    /// </summary>
    public static void AddKeyProtection(this IHostApplicationBuilder builder)
    {
        builder.Services.AddDataProtection()
            .SetApplicationName("AspireChat.Identity")
            .PersistKeysToDbContext<IdentityDb>();
        builder.Services.AddScoped<KeyRing>();
        builder.Services.AddOptions<KeyManagementOptions>().Configure<AuthOptions>((ring, auth) =>
        {
            if (!string.IsNullOrEmpty(auth.KeyProtectionSecret))
            {
                ring.XmlEncryptor = new KeyRingEncryptor(auth.KeyProtectionSecret);
            }
        });
    }
}
