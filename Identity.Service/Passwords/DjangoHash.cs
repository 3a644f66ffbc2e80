using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Identity.Service;

/// <summary>
/// A password's hash as Django keeps it, <c>pbkdf2_sha256$iterations$salt$hash</c>: PBKDF2 with HMAC-SHA256 over the
/// bytes of the salt's text, 256 bits in Base64. An imported user has it until the first login, which replaces it.
/// </summary>
/// <param name="Iterations">How much work it is.</param>
/// <param name="Salt">The salt.</param>
/// <param name="Hash">The hash.</param>
/// <seealso href="https://docs.djangoproject.com/en/stable/topics/auth/passwords/"/>
internal sealed record DjangoHash(int Iterations, byte[] Salt, byte[] Hash)
{
    /// <summary>How such hashes begin, and no others do.</summary>
    public const string Prefix = "pbkdf2_sha256$";

    /// <summary>
    /// The most iterations that are believed. Django's own figure has grown to a million since 2011; whoever could
    /// write more into its database would make every login here slow.
    /// </summary>
    public const int MaxIterations = 10_000_000;

    private const int HashBytes = 32;

    /// <summary>Reads a hash.</summary>
    /// <param name="text">What is in the database.</param>
    /// <returns>The hash; null when it is of another kind, or not whole.</returns>
    public static DjangoHash? Parse(string text)
    {
        if (!text.StartsWith(Prefix, StringComparison.Ordinal)
            || text.Split('$') is not [_, var iterations, { Length: > 0 } salt, var hash]
            || !int.TryParse(iterations, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            || count is < 1 or > MaxIterations)
        {
            return null;
        }

        var bytes = new byte[HashBytes];
        return Convert.TryFromBase64String(hash, bytes, out var written) && written == HashBytes
            ? new(count, Encoding.UTF8.GetBytes(salt), bytes)
            : null;
    }

    /// <summary>Whether a computed hash is this one. Takes as long wherever they differ.</summary>
    /// <param name="computed">The hash of what was sent.</param>
    public bool Is(byte[] computed) => CryptographicOperations.FixedTimeEquals(computed, Hash);
}
