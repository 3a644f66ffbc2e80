using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Cryptography.KeyDerivation;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Service;

/// <summary>
/// PBKDF2 with HMAC-SHA512 as in ASP.NET Core Identity, whose hashes name their iterations. A wrong password costs the
/// same for everybody: for a user whose hash is older than the figure in use, and for a name that nobody has. Otherwise
/// the time would tell which names are known.
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
        var result = base.VerifyHashedPassword(user, hashedPassword, providedPassword);
        if (result == PasswordVerificationResult.Failed && _iterations > Iterations(hashedPassword))
        {
            Work(providedPassword, _iterations - Iterations(hashedPassword));
        }

        metrics.Hashed(Stopwatch.GetElapsedTime(began));
        return result;
    }

    /// <summary>Does what an older hash was spared.</summary>
    /// <param name="password">What was sent.</param>
    /// <param name="iterations">How much, at least 1.</param>
    protected virtual void Work(string password, int iterations) =>
        KeyDerivation.Pbkdf2(password, new byte[SaltBytes], KeyDerivationPrf.HMACSHA512, iterations, HashBytes);

    /// <summary>How much work a hash was; none when it is not one of ours.</summary>
    internal static int Iterations(string hash)
    {
        var bytes = Convert.FromBase64String(hash);
        return bytes.Length >= HeaderBytes && bytes[0] == Format3
            ? BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(IterationsAt))
            : 0;
    }

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
