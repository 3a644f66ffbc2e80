using System.Text.Json;
using System.Text.Json.Serialization;

namespace Chat.Service.Models;

/// <summary>
/// What a model costs, in credits: either a flat sum for each chat, or so much for 1,000 of the model's tokens.
/// </summary>
/// <example>{"input":50,"cached_input":25,"output":150,"minimum":1}</example>
internal sealed record Price
{
    /// <summary>The most that a chat can cost, whatever is reported: more than any account can hold.</summary>
    private const long Max = 1L << 53;

    private const int PerTokens = 1_000;

    private string? _json;

    /// <summary>Credits for a chat, where the price is flat; 0 is free.</summary>
    [JsonPropertyName("request"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Request { get; init; }

    /// <summary>Credits for 1,000 tokens of what the model is told.</summary>
    [JsonPropertyName("input"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Input { get; init; }

    /// <summary>Credits for 1,000 of those tokens that the endpoint had in its cache.</summary>
    [JsonPropertyName("cached_input"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? CachedInput { get; init; }

    /// <summary>Credits for 1,000 tokens of what the model says, its reasoning included.</summary>
    [JsonPropertyName("output"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Output { get; init; }

    /// <summary>Credits that a chat costs at least, where it is priced by tokens.</summary>
    [JsonPropertyName("minimum"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Minimum { get; init; }

    /// <summary>Gets whether a chat costs the same whatever the model uses.</summary>
    [JsonIgnore]
    public bool IsFlat => Request is not null;

    /// <summary>Gets the price as JSON, as it is kept with each chat.</summary>
    [JsonIgnore]
    public string Json => _json ??= JsonSerializer.Serialize(this, PriceJson.Default.Price);

    /// <summary>Reads a price that was kept with a chat.</summary>
    /// <param name="json">The JSON.</param>
    public static Price Parse(string json) => JsonSerializer.Deserialize(json, PriceJson.Default.Price)!;

    /// <summary>A flat price.</summary>
    /// <param name="credits">Credits for a chat.</param>
    public static Price Flat(long credits) => new() { Request = credits };

    /// <summary>What a chat costs: the parts are added up exactly, and rounded up once.</summary>
    /// <param name="usage">What the model used.</param>
    public long Of(ModelUsage usage)
    {
        if (Request is { } flat)
        {
            return flat;
        }

        var cached = Math.Min(usage.CachedTokens, usage.InputTokens);
        var credits = (((usage.InputTokens - cached) * Input!.Value)
            + (cached * (CachedInput ?? Input.Value))
            + (usage.OutputTokens * Output!.Value)) / PerTokens;
        return Math.Max((long)Math.Min(Math.Ceiling(credits), Max), Minimum ?? 0);
    }
}

/// <summary>A model's own tokens, which are not the user's.</summary>
/// <param name="InputTokens">Of what it was told, cached ones included.</param>
/// <param name="CachedTokens">Those of them that the endpoint had in its cache.</param>
/// <param name="OutputTokens">Of what it said, reasoning included.</param>
/// <param name="IsEstimated">Whether the endpoint did not report all of it.</param>
internal sealed record ModelUsage(long InputTokens, long CachedTokens, long OutputTokens, bool IsEstimated = false);

/// <summary>How prices are written.</summary>
[JsonSerializable(typeof(Price))]
internal sealed partial class PriceJson : JsonSerializerContext;
