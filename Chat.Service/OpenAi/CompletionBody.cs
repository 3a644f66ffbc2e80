using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Chat.Service.OpenAi;

/// <summary>What a chat completion is asked for with.</summary>
/// <remarks>
/// For the description of the API alone: <see cref="CompletionReader"/> reads it, and says more about what does not fit
/// than a serializer.
/// </remarks>
/// <example>{"model":"mock","messages":[{"role":"user","content":"Hello AI"}]}</example>
internal sealed record CompletionBody
{
    /// <summary>One of GET /api/v1/models.</summary>
    [JsonPropertyName("model")]
    public required string Model { get; init; }

    /// <summary>What was said so far, with at least one message of the user's.</summary>
    [JsonPropertyName("messages"), Length(1, CompletionReader.MaxMessages)]
    public required IReadOnlyList<CompletionBodyMessage> Messages { get; init; }

    /// <summary>Whether the answer comes in pieces.</summary>
    [JsonPropertyName("stream")]
    public bool? Stream { get; init; }

    /// <summary>What else a stream tells.</summary>
    [JsonPropertyName("stream_options")]
    public CompletionBodyStreamOptions? StreamOptions { get; init; }

    /// <summary>Passed on to the model.</summary>
    [JsonPropertyName("temperature"), Range(0.0, 2.0)]
    public double? Temperature { get; init; }

    /// <summary>Passed on to the model.</summary>
    [JsonPropertyName("top_p"), Range(0.0, 1.0)]
    public double? TopP { get; init; }

    /// <summary>Passed on to the model.</summary>
    [JsonPropertyName("presence_penalty"), Range(-2.0, 2.0)]
    public double? PresencePenalty { get; init; }

    /// <summary>Passed on to the model.</summary>
    [JsonPropertyName("frequency_penalty"), Range(-2.0, 2.0)]
    public double? FrequencyPenalty { get; init; }

    /// <summary>How many of the model's tokens the answer may have.</summary>
    [JsonPropertyName("max_completion_tokens")]
    public int? MaxCompletionTokens { get; init; }

    /// <summary>Passed on to the model.</summary>
    [JsonPropertyName("seed")]
    public long? Seed { get; init; }

    /// <summary>Where the answer ends; one text goes without the list.</summary>
    [JsonPropertyName("stop")]
    public IReadOnlyList<string>? Stop { get; init; }
}

/// <summary>A message of a request.</summary>
/// <param name="Role">system, developer, user or assistant.</param>
/// <param name="Content">The text; a list of parts of the type text will do too.</param>
/// <param name="Name">Tells speakers of one role apart.</param>
internal sealed record CompletionBodyMessage(
    [property: JsonPropertyName("role"), Required] string Role,
    [property: JsonPropertyName("content"), Required] string Content,
    [property: JsonPropertyName("name")] string? Name = null);

/// <summary>What else a stream tells.</summary>
/// <param name="IncludeUsage">Whether it ends with the usage.</param>
internal sealed record CompletionBodyStreamOptions(
    [property: JsonPropertyName("include_usage")] bool? IncludeUsage = null);
