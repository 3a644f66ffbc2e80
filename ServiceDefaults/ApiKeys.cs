using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Microsoft.Extensions.Hosting;

/// <summary>
/// API keys, which clients of a user hold for long. The gateway exchanges a key for an access token of a minute, which
/// names the key; the services know such tokens alone. What a key looks like and what its tokens say is written and
/// read here.
/// </summary>
public static class ApiKeys
{
    /// <summary>What every key begins with, so that people and programs that look for leaks recognise it.</summary>
    public const string Prefix = "ac_";

    /// <summary>The grant (RFC 6749, 4.5) that exchanges a key for an access token.</summary>
    public const string GrantType = "urn:aspirechat:api-key";

    /// <summary>
    /// The parameter of the grant that holds the key: one of the names whose values OpenIddict keeps out of its log.
    /// </summary>
    public const string Parameter = "assertion";

    /// <summary>The claim that holds the key's number. Tokens of a login have none.</summary>
    public const string IdClaim = "key";

    /// <summary>The claim that holds the most tokens the key may ever spend, if there is such a limit.</summary>
    public const string LimitClaim = "key_limit";

    /// <summary>The claim that holds the most tokens the key may spend in a day of UTC, if there is a limit.</summary>
    public const string DailyLimitClaim = "key_daily_limit";

    /// <summary>The claim that holds the most tokens the key may spend in a month of UTC, if any.</summary>
    public const string MonthlyLimitClaim = "key_monthly_limit";

    /// <summary>The claim that holds the names of the models that the key may use, with spaces between them.</summary>
    public const string ModelsClaim = "key_models";

    /// <summary>The claim that holds what the key may be used for, with spaces between.</summary>
    public const string ScopesClaim = "key_scopes";

    /// <summary>What a key may be used for: it is the name of a policy, too.</summary>
    public static readonly IReadOnlyList<string> Scopes =
        [Tokens.ChatPolicy, Tokens.HistoryPolicy, Tokens.TokensPolicy];

    private const int RandomBytes = 32;

    private static readonly SearchValues<char> Letters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly int Length = Prefix.Length + Base64Url.GetEncodedLength(RandomBytes);

    /// <summary>Makes a key of 256 random bits.</summary>
    /// <returns>"ac_" and 43 characters of base64url (RFC 4648, 5).</returns>
    public static string Create() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>Whether a text can be a key. One that cannot is never looked up.</summary>
    /// <param name="text">What a caller sent.</param>
    public static bool IsWellFormed(string? text) => text?.Length == Length
        && text.StartsWith(Prefix, StringComparison.Ordinal)
        && text.AsSpan(Prefix.Length).IndexOfAnyExcept(Letters) < 0;

    /// <summary>
    /// SHA-256 of a key, under which it is kept. A slow hash is for what can be guessed, and random bits cannot.
    /// </summary>
    /// <param name="key">The key.</param>
    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>The API key that a token stands for.</summary>
    /// <param name="user">The principal of a validated user token.</param>
    /// <returns>The key with its limits; null when the token is of a login.</returns>
    public static UsedApiKey? GetApiKey(this ClaimsPrincipal user) => Number(user, IdClaim) is { } id
        ? new UsedApiKey(id, Number(user, LimitClaim), Number(user, DailyLimitClaim), Number(user, MonthlyLimitClaim))
        {
            Models = user.FindFirstValue(ModelsClaim)?.Split(' '),
        }
        : null;

    /// <summary>Whether a model may be used.</summary>
    /// <param name="key">The key; null when the caller has a login.</param>
    /// <param name="model">The model's name.</param>
    public static bool MayUse(this UsedApiKey? key, string model) => key?.Models?.Contains(model) is not false;

    private static long? Number(ClaimsPrincipal user, string claim) => user.FindFirstValue(claim) is { } value
        ? long.Parse(value, NumberStyles.None, CultureInfo.InvariantCulture)
        : null;
}

/// <summary>The API key with which a user acts, and what it may spend.</summary>
/// <param name="Id">The key's number.</param>
/// <param name="Limit">The most tokens it may ever spend; null for no limit.</param>
/// <param name="DailyLimit">The most tokens it may spend in a day of UTC; null for no limit.</param>
/// <param name="MonthlyLimit">The most tokens it may spend in a month of UTC; null for no limit.</param>
public sealed record UsedApiKey(
    long Id,
    long? Limit,
    [property: JsonPropertyName("daily_limit")] long? DailyLimit,
    [property: JsonPropertyName("monthly_limit")] long? MonthlyLimit = null)
{
    /// <summary>The names of the models that it may use; null for all. The ledger need not know.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Models { get; init; }
}
