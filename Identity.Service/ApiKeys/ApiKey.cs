using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Identity.Service;

/// <summary>A credential that a user has made for a client. It is known by its hash alone.</summary>
public sealed class ApiKey
{
    /// <summary>The longest name, in characters.</summary>
    internal const int MaxNameLength = 100;

    /// <summary>The largest limit, in tokens: what JSON numbers hold exactly (RFC 8259, 6).</summary>
    internal const long MaxLimit = (1L << 53) - 1;

    /// <summary>How many living keys a user may have.</summary>
    internal const int MaxPerUser = 50;

    /// <summary>How many characters of a key are kept, "ac_" among them. They leave 220 of its 256 bits.</summary>
    internal const int StartLength = 9;

    /// <summary>The rule of names in words.</summary>
    internal const string NameRule = "A key's name has 1 to 100 characters that can be seen.";

    /// <summary>The rule of limits in words.</summary>
    internal const string LimitRule = "A limit is a number of tokens, 0 or more and less than 2^53, or null for none.";

    /// <summary>The rule of models in words.</summary>
    internal const string ModelsRule =
        "The models are 1 to 50 names without spaces, as GET /api/v1/models lists them, or null for all.";

    /// <summary>The rule of scopes in words.</summary>
    internal const string ScopesRule =
        "The scopes are 1 to 3 of chat (ask models), history (read chats) and tokens (balance and usage).";

    /// <summary>The rule of the end in words.</summary>
    internal const string ExpiresRule = "A key's end is in the future, or null for none.";

    /// <summary>The key's number, <c>key</c> in its tokens.</summary>
    public long Id { get; init; }

    /// <summary>Whose it is.</summary>
    public long UserId { get; init; }

    /// <summary>What the user calls it.</summary>
    public required string Name { get; init; }

    /// <summary>Its first characters, by which the user recognises it.</summary>
    public required string Start { get; init; }

    /// <summary>SHA-256 of the key.</summary>
    public required byte[] Hash { get; init; }

    /// <summary>The most tokens it may ever spend; null for no limit. The ledger counts.</summary>
    public long? Limit { get; init; }

    /// <summary>The most tokens it may spend in a day of UTC; null for no limit. The ledger counts.</summary>
    public long? DailyLimit { get; init; }

    /// <summary>The most tokens it may spend in a month of UTC; null for no limit. The ledger counts.</summary>
    public long? MonthlyLimit { get; init; }

    /// <summary>The names of the models that it may use; null for all.</summary>
    public string[]? Models { get; init; }

    /// <summary>What it may be used for: some of <see cref="ApiKeys.Scopes"/>.</summary>
    public required string[] Scopes { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Until when it is good; null when it has no end.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was last used, within a minute; null when it never was.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>When it was revoked; null while it lives.</summary>
    public DateTimeOffset? RevokedAt { get; init; }
}

/// <summary>What a user may call a key: something to read. A missing name is left to [Required].</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class KeyNameAttribute : ValidationAttribute
{
    /// <summary>Makes the attribute with its sentence.</summary>
    public KeyNameAttribute()
        : base(ApiKey.NameRule)
    {
    }

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null
        || (value is string name && name.Length <= ApiKey.MaxNameLength
            && !string.IsNullOrWhiteSpace(name) && !name.Any(char.IsControl));
}

/// <summary>Which models a key may use: none would be a key for nothing.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
internal sealed class ModelNamesAttribute() : ValidationAttribute(ApiKey.ModelsRule)
{
    private const int MaxModels = 50;

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null
        || (value is string[] { Length: > 0 and <= MaxModels } names && names.All(name =>
            name is { Length: > 0 and <= ApiKey.MaxNameLength } && name.All(c => c is > ' ' and <= '~')));
}

/// <summary>What a key may be used for.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
internal sealed class KeyScopesAttribute() : ValidationAttribute(ApiKey.ScopesRule)
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null
        || (value is string[] { Length: > 0 } scopes && scopes.Distinct().Count() == scopes.Length
            && scopes.All(ApiKeys.Scopes.Contains));
}

/// <summary>When a key may end.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
internal sealed class FutureAttribute() : ValidationAttribute(ApiKey.ExpiresRule)
{
    /// <inheritdoc/>
    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext)
    {
        var clock = validationContext.GetService<TimeProvider>() ?? TimeProvider.System;
        return value is null || (value is DateTimeOffset end && end > clock.GetUtcNow())
            ? ValidationResult.Success
            : new(ErrorMessageString);
    }
}

/// <summary>A key to be made.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Name">What the user calls it.</param>
/// <param name="Limit">The most tokens it may ever spend; null for no limit.</param>
/// <param name="DailyLimit">The most tokens it may spend in a day of UTC; null for no limit.</param>
/// <param name="MonthlyLimit">The most tokens it may spend in a month of UTC; null for no limit.</param>
/// <param name="Models">The names of the models that it may use; null for all.</param>
/// <param name="Scopes">What it may be used for: chat, history, tokens; null for chat alone.</param>
/// <param name="Expires">Until when it is good; null for no end.</param>
/// <example>
/// {"name":"my program","limit":2000,"daily_limit":500,"monthly_limit":1500,"models":["mock"],"scopes":["chat"],
/// "expires":"2035-01-06T00:00:00Z"}
/// </example>
public sealed record CreateKeyRequest(
    [Required(ErrorMessage = ApiKey.NameRule), KeyName] string? Name,
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule)] long? Limit = null,
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule)]
    [property: JsonPropertyName("daily_limit")]
    long? DailyLimit = null,
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule)]
    [property: JsonPropertyName("monthly_limit")]
    long? MonthlyLimit = null,
    [ModelNames] string[]? Models = null,
    [KeyScopes] string[]? Scopes = null,
    [Future] DateTimeOffset? Expires = null);

/// <summary>
/// What to change of a key: what is there. A limit of null is one that is taken away, unlike one that is not there.
/// </summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <example>{"limit":null}</example>
public sealed class ChangeKeyRequest
{
    /// <summary>What the user calls it from now on.</summary>
    [KeyName]
    public string? Name { get; set => (field, HasName) = (value, true); }

    /// <summary>The most tokens it may ever spend; null for no limit any more.</summary>
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule)]
    public long? Limit { get; set => (field, HasLimit) = (value, true); }

    /// <summary>The most tokens it may spend in a day of UTC; null for no limit any more.</summary>
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule), JsonPropertyName("daily_limit")]
    public long? DailyLimit { get; set => (field, HasDailyLimit) = (value, true); }

    /// <summary>The most tokens it may spend in a month of UTC; null for no limit any more.</summary>
    [Range(0, ApiKey.MaxLimit, ErrorMessage = ApiKey.LimitRule), JsonPropertyName("monthly_limit")]
    public long? MonthlyLimit { get; set => (field, HasMonthlyLimit) = (value, true); }

    /// <summary>The names of the models that it may use from now on; null for all.</summary>
    [ModelNames]
    public string[]? Models { get; set => (field, HasModels) = (value, true); }

    /// <summary>What it may be used for from now on; null for chat alone.</summary>
    [KeyScopes]
    public string[]? Scopes { get; set => (field, HasScopes) = (value, true); }

    /// <summary>Until when it is good; null for no end any more.</summary>
    [Future]
    public DateTimeOffset? Expires { get; set => (field, HasExpires) = (value, true); }

    /// <summary>Whether the request has scopes, or null for them.</summary>
    internal bool HasScopes { get; private set; }

    /// <summary>Whether the request has an end, or null for none.</summary>
    internal bool HasExpires { get; private set; }

    /// <summary>Whether the request has a name.</summary>
    internal bool HasName { get; private set; }

    /// <summary>Whether the request has a limit, or null for one.</summary>
    internal bool HasLimit { get; private set; }

    /// <summary>Whether the request has a daily limit, or null for one.</summary>
    internal bool HasDailyLimit { get; private set; }

    /// <summary>Whether the request has a monthly limit, or null for one.</summary>
    internal bool HasMonthlyLimit { get; private set; }

    /// <summary>Whether the request has models, or null for them.</summary>
    internal bool HasModels { get; private set; }
}

/// <summary>A key, as lists show it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Name">What the user calls it.</param>
/// <param name="Start">Its first characters.</param>
/// <param name="Limit">The most tokens it may ever spend.</param>
/// <param name="DailyLimit">The most tokens it may spend in a day of UTC.</param>
/// <param name="MonthlyLimit">The most tokens it may spend in a month of UTC.</param>
/// <param name="Models">The names of the models that it may use; null for all.</param>
/// <param name="Scopes">What it may be used for.</param>
/// <param name="Created">When it was made, in UTC.</param>
/// <param name="Expires">Until when it is good, in UTC; null for no end.</param>
/// <param name="LastUsed">When it was last used, within a minute, in UTC; null when it never was.</param>
/// <example>
/// {"id":1,"name":"my program","start":"ac_Xk2f9Q","limit":2000,"daily_limit":500,"monthly_limit":1500,
/// "models":["mock"],"scopes":["chat"],"created":"2025-01-06T12:34:56.789Z","expires":null,
/// "last_used":"2025-01-06T12:44:56.789Z"}
/// </example>
internal sealed record KeyResponse(
    long Id,
    string Name,
    string Start,
    long? Limit,
    [property: JsonPropertyName("daily_limit")] long? DailyLimit,
    [property: JsonPropertyName("monthly_limit")] long? MonthlyLimit,
    string[]? Models,
    string[] Scopes,
    DateTime Created,
    DateTime? Expires,
    [property: JsonPropertyName("last_used")] DateTime? LastUsed)
{
    /// <summary>What a user sees of a key.</summary>
    public static KeyResponse Of(ApiKey key) => new(
        key.Id, key.Name, key.Start, key.Limit, key.DailyLimit, key.MonthlyLimit, key.Models,
        key.Scopes, key.CreatedAt.UtcDateTime, key.ExpiresAt?.UtcDateTime, key.LastUsedAt?.UtcDateTime);
}

/// <summary>A key that was just made, the one time that it is shown.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Name">What the user calls it.</param>
/// <param name="Key">The key itself.</param>
/// <param name="Start">Its first characters.</param>
/// <param name="Limit">The most tokens it may ever spend.</param>
/// <param name="DailyLimit">The most tokens it may spend in a day of UTC.</param>
/// <param name="MonthlyLimit">The most tokens it may spend in a month of UTC.</param>
/// <param name="Models">The names of the models that it may use; null for all.</param>
/// <param name="Scopes">What it may be used for.</param>
/// <param name="Created">When it was made, in UTC.</param>
/// <param name="Expires">Until when it is good, in UTC; null for no end.</param>
/// <example>
/// {"id":1,"name":"my program","key":"ac_Xk2f9Q…","start":"ac_Xk2f9Q","limit":2000,"daily_limit":500,
/// "monthly_limit":1500,"models":["mock"],"scopes":["chat"],"created":"2025-01-06T12:34:56.789Z","expires":null}
/// </example>
internal sealed record NewKeyResponse(
    long Id,
    string Name,
    string Key,
    string Start,
    long? Limit,
    [property: JsonPropertyName("daily_limit")] long? DailyLimit,
    [property: JsonPropertyName("monthly_limit")] long? MonthlyLimit,
    string[]? Models,
    string[] Scopes,
    DateTime Created,
    DateTime? Expires);
