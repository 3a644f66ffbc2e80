using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace Chat.Service.OpenAi;

/// <summary>What a chat completion is asked for with. <see cref="CompletionReader"/> reads it.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Content">What is asked: all that the answer depends on.</param>
/// <param name="IsStreamed">Whether the answer is wanted in pieces.</param>
/// <param name="IncludesUsage">Whether a stream ends with the usage.</param>
internal sealed record CompletionRequest(string Model, CompletionContent Content, bool IsStreamed, bool IncludesUsage)
{
    /// <summary>What the user said last: that is what is kept of the request.</summary>
    public string Message => Content.Messages.Last(message => message.Role == CompletionMessage.User).Content;

    /// <summary>The same text for the same content, by which requests under one Idempotency-Key are compared.</summary>
    public string Canonical => JsonSerializer.Serialize(Content, CompletionContentJson.Default.CompletionContent);

    /// <summary>The messages for a model. It needs no word of its own for a developer's.</summary>
    public IReadOnlyList<ChatMessage> ToMessages() =>
    [
        .. Content.Messages.Select(message => new ChatMessage(
            message.Role switch
            {
                CompletionMessage.User => ChatRole.User,
                CompletionMessage.Assistant => ChatRole.Assistant,
                _ => ChatRole.System,
            },
            message.Content) { AuthorName = message.Name }),
    ];

    /// <summary>The wishes for a model.</summary>
    public ChatOptions ToOptions() => new()
    {
        Temperature = (float?)Content.Temperature,
        TopP = (float?)Content.TopP,
        MaxOutputTokens = Content.MaxTokens,
        PresencePenalty = (float?)Content.PresencePenalty,
        FrequencyPenalty = (float?)Content.FrequencyPenalty,
        Seed = Content.Seed,
        StopSequences = Content.Stop is null ? null : [.. Content.Stop],
    };
}

/// <summary>All that an answer depends on, but for the model.</summary>
internal sealed record CompletionContent
{
    /// <summary>The messages.</summary>
    public required IReadOnlyList<CompletionMessage> Messages { get; init; }

    /// <summary>0 to 2.</summary>
    public double? Temperature { get; set; }

    /// <summary>0 to 1.</summary>
    public double? TopP { get; set; }

    /// <summary>How many of the model's tokens the answer may have.</summary>
    public int? MaxTokens { get; set; }

    /// <summary>-2 to 2.</summary>
    public double? PresencePenalty { get; set; }

    /// <summary>-2 to 2.</summary>
    public double? FrequencyPenalty { get; set; }

    /// <summary>For models that can answer alike.</summary>
    public long? Seed { get; set; }

    /// <summary>Where the answer ends.</summary>
    public IReadOnlyList<string>? Stop { get; set; }
}

/// <summary>A message.</summary>
/// <param name="Role">Whose it is.</param>
/// <param name="Content">The text.</param>
/// <param name="Name">Tells speakers of one role apart.</param>
internal sealed record CompletionMessage(string Role, string Content, string? Name)
{
    /// <summary>The role of people.</summary>
    public const string User = "user";

    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";
}

/// <summary>How content is written to be compared. What it writes is kept as a hash: it must stay the same.</summary>
[JsonSerializable(typeof(CompletionContent))]
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class CompletionContentJson : JsonSerializerContext;
