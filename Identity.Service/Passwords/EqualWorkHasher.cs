using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Cryptography.KeyDerivation;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>
/// PBKDF2 with HMAC-SHA512 as in ASP.NET Core Identity, whose hashes name their iterations. A wrong password costs the
/// same for a user whose hash is older than the figure in use and for a name that nobody has. Otherwise the time would
/// tell which names are known. A hash that came from Django costs its own work, until its user's first login replaces
/// it: docs/identity.md says why that is enough.
/// </summary>
/// <param name="options">The iterations in use.</param>
/// <param name="metrics">Takes how long it took.</param>
internal class EqualWorkHasher(IOptions<PasswordHasherOptions> options, IdentityMetrics metrics)
    : PasswordHasher<User>(options)
{
    // Format 3: marker (1 byte), PRF, iterations, salt length (4 bytes each, big-endian), salt, hash.
    private const byte Format3 = 1;
    private const int IterationsAt = 5;
    private const int HeaderBytes = 13;
    private const int SaltBytes = 16;
    private const int HashBytes = 32;

    private readonly int _iterations = options.Value.IterationCount;

    /// <summary>Gets a user whose hash is no password's, to be asked in place of users who are not there.</summary>
    public User Nobody { get; } = new() { PasswordHash = HashOfNothing(options.Value.IterationCount) };

    /// <inheritdoc/>
    public override string HashPassword(User user, string password)
    {
        var began = Stopwatch.GetTimestamp();
        var hash = base.HashPassword(user, password);
        metrics.Hashed(Stopwatch.GetElapsedTime(began));
        return hash;
    }

    /// <inheritdoc/>
    public override PasswordVerificationResult VerifyHashedPassword(
        User user, string hashedPassword, string providedPassword)
    {
        var began = Stopwatch.GetTimestamp();
        var django = DjangoHash.Parse(hashedPassword);
        var spared = _iterations - Iterations(hashedPassword);
        var result = django is not null ? Verify(django, providedPassword)
            : Iterations(hashedPassword) > 0 ? base.VerifyHashedPassword(user, hashedPassword, providedPassword)
            : PasswordVerificationResult.Failed;
        if (result == PasswordVerificationResult.Failed && django is null && spared > 0)
        {
            Derive(KeyDerivationPrf.HMACSHA512, providedPassword, new byte[SaltBytes], spared);
        }

        metrics.Hashed(Stopwatch.GetElapsedTime(began));
        return result;
    }

    /// <summary>Computes a hash.</summary>
    /// <param name="function">The function it is made of.</param>
    /// <param name="password">What was sent.</param>
    /// <param name="salt">The salt.</param>
    /// <param name="iterations">How much work, at least 1.</param>
    protected virtual byte[] Derive(KeyDerivationPrf function, string password, byte[] salt, int iterations) =>
        KeyDerivation.Pbkdf2(password, salt, function, iterations, HashBytes);

    /// <summary>How much work a hash was; none when it is not one of ours.</summary>
    internal static int Iterations(string hash)
    {
        var bytes = new byte[hash.Length];
        return Convert.TryFromBase64String(hash, bytes, out var length) && length >= HeaderBytes && bytes[0] == Format3
            ? BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(IterationsAt))
            : 0;
    }

    /// <summary>
    /// An imported hash is replaced by one of ours as soon as its password is known. Django hashed what the keyboard
    /// sent: one of two forms, where they differ.
    /// </summary>
    private PasswordVerificationResult Verify(DjangoHash django, string password) =>
        PasswordAttribute.Forms(password).Any(form =>
            django.Is(Derive(KeyDerivationPrf.HMACSHA256, form, django.Salt, django.Iterations)))
            ? PasswordVerificationResult.SuccessRehashNeeded
            : PasswordVerificationResult.Failed;

    private static string HashOfNothing(int iterations)
    {
        var bytes = RandomNumberGenerator.GetBytes(HeaderBytes + SaltBytes + HashBytes);
        bytes[0] = Format3;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), (int)KeyDerivationPrf.HMACSHA512);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(IterationsAt), iterations);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(IterationsAt + 4), SaltBytes);
        return Convert.ToBase64String(bytes);
    }
}
