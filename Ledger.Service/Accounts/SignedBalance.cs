using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Ledger.Service.Accounts;

/// <summary>
/// A balance as it lies in Redis: <c>revision:tokens:time:signature</c>. The signature (HMAC-SHA256, 128 bits of it) is
/// over the account too, so that a value which somebody else wrote, changed, or moved from another account is no
/// balance; the time (Unix seconds) ends the life of one that somebody kept and put back.
/// </summary>
internal sealed class SignedBalance(byte[] key, TimeProvider time)
{
    /// <summary>How long a value is believed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    private const int SignatureBytes = 16;
    private const int ClockSkewSeconds = 2;

    /// <summary>Writes a balance down.</summary>
    public string Write(long account, Balance balance)
    {
        var content = Content(balance, time.GetUtcNow().ToUnixTimeSeconds());
        return $"{content}:{Sign(account, content)}";
    }

    /// <summary>Reads a balance.</summary>
    /// <returns>The balance, and whether it is still believed; null when the ledger has not written the text.</returns>
    public (Balance Balance, bool IsFresh)? Read(long account, string text)
    {
        if (text.Split(':') is not [var revision, var tokens, var seconds, var signature]
            || !Number(revision, out var v) || !Number(tokens, out var t) || !Number(seconds, out var s))
        {
            return null;
        }

        var age = time.GetUtcNow().ToUnixTimeSeconds() - s;
        var balance = new Balance(t, v);
        var isOurs = CryptographicOperations.FixedTimeEquals(
            Encoding.ASCII.GetBytes(signature), Encoding.ASCII.GetBytes(Sign(account, Content(balance, s))));
        return isOurs ? (balance, age >= -ClockSkewSeconds && age <= Lifetime.TotalSeconds) : null;
    }

    private static string Content(Balance balance, long seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{balance.Revision}:{balance.Tokens}:{seconds}");

    private static bool Number(string text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private string Sign(long account, string content)
    {
        var signed = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{account}:{content}"));
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, signed).AsSpan(0, SignatureBytes));
    }
}
