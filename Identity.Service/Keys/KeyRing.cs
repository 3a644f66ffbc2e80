using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;

namespace Identity.Service;

/// <summary>
/// Encrypts the secrets of the key ring with AES-256-GCM and a key derived (HKDF, RFC 5869) from a secret that is not
/// in the database.
/// </summary>
/// <param name="secret">The secret: random, so that nothing slower than HKDF is needed.</param>
internal sealed class KeyRingEncryptor(string secret) : IXmlEncryptor
{
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
        return new(new XElement("encryptedKey", Convert.ToBase64String(stored)), typeof(KeyRingDecryptor));
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

/// <summary>Registers the key ring.</summary>
internal static class KeyRingExtensions
{
    /// <summary>
    /// Adds data protection with its key ring in the database. After <see cref="PrepareAtStart"/>: that way its first
    /// key is made under the lock, and replicas that start together make one, not one each. Rings that were written
    /// without a secret stay readable; keys added to them from then on are encrypted.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    public static void AddKeyProtection(this IHostApplicationBuilder builder)
    {
        builder.Services.AddDataProtection()
            .SetApplicationName("AspireChat.Identity")
            .PersistKeysToDbContext<IdentityDb>();
        builder.Services.AddOptions<KeyManagementOptions>().Configure<AuthOptions>((ring, auth) =>
        {
            if (!string.IsNullOrEmpty(auth.KeyProtectionSecret))
            {
                ring.XmlEncryptor = new KeyRingEncryptor(auth.KeyProtectionSecret);
            }
        });
    }
}
