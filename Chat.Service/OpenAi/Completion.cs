using System.Text.Json.Serialization;
using Chat.Service.Chats;
using Chat.Service.Models;

namespace Chat.Service.OpenAi;

/// <summary>A chat completion.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Object">What this is.</param>
/// <param name="Created">When, in seconds since 1970.</param>
/// <param name="Model">The model that was asked.</param>
/// <param name="Choices">One choice.</param>
/// <param name="Usage">The model's tokens, which are not the user's.</param>
/// <example>
/// {"id":"chatcmpl-018f3b1c7a528c4e9d106f2b8e5a4c37","object":"chat.completion","created":1736166896,"model":"mock",
/// "choices":[{"index":0,"message":{"role":"assistant","content":"AI Response to: Hello AI","refusal":null},
/// "logprobs":null,"finish_reason":"stop"}],
/// "usage":{"prompt_tokens":2,"completion_tokens":6,"total_tokens":8}}
/// </example>
internal sealed record Completion(
    [property: JsonPropertyName("id")] string Id,
    [property: JsonPropertyName("object")] string Object,
    [property: JsonPropertyName("created")] long Created,
    [property: JsonPropertyName("model")] string Model,
    [property: JsonPropertyName("choices")] IReadOnlyList<CompletionChoice> Choices,
    [property: JsonPropertyName("usage")] CompletionUsage Usage)
{
    /// <summary>A chat as a completion.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="request">What was asked.</param>
    public static Completion Of(StoredChat chat, CompletionRequest request) => new(
        IdOf(chat.HoldId),
        "chat.completion",
        chat.CreatedAt.ToUnixTimeSeconds(),
        request.Model,
        [new(0, new("assistant", chat.Response ?? "", Refusal: null), null, FinishReasonOf(chat))],
        CompletionUsage.Of(chat));

    /// <summary>The id of the completion that a hold pays for.</summary>
    /// <param name="hold">The hold.</param>
    public static string IdOf(Guid hold) => $"chatcmpl-{hold:N}";

    /// <summary>Why an answer ended there. One whose caller left was cut: OpenAI has no word for that.</summary>
    private static string FinishReasonOf(StoredChat chat) =>
        chat.FinishReason is Reply.Cancelled ? "length" : chat.FinishReason ?? "stop";
}

/// <summary>An answer.</summary>
/// <param name="Index">Always 0.</param>
/// <param name="Message">The message.</param>
/// <param name="Logprobs">Never there.</param>
/// <param name="FinishReason">Why it ended there.</param>
internal sealed record CompletionChoice(
    [property: JsonPropertyName("index")] int Index,
    [property: JsonPropertyName("message")] CompletionAnswer Message,
    [property: JsonPropertyName("logprobs")] string? Logprobs,
    [property: JsonPropertyName("finish_reason")] string FinishReason);

/// <summary>A message of the model's.</summary>
/// <param name="Role">Always assistant.</param>
/// <param name="Content">The text.</param>
/// <param name="Refusal">Never there.</param>
internal sealed record CompletionAnswer(
    [property: JsonPropertyName("role")] string Role,
    [property: JsonPropertyName("content")] string Content,
    [property: JsonPropertyName("refusal")] string? Refusal);

/// <summary>The model's tokens.</summary>
/// <param name="PromptTokens">Of the request.</param>
/// <param name="CompletionTokens">Of the answer.</param>
/// <param name="TotalTokens">Of both.</param>
internal sealed record CompletionUsage(
    [property: JsonPropertyName("prompt_tokens")] long PromptTokens,
    [property: JsonPropertyName("completion_tokens")] long CompletionTokens,
    [property: JsonPropertyName("total_tokens")] long TotalTokens)
{
    /// <summary>More about the request's, where there is more to say.</summary>
    [JsonPropertyName("prompt_tokens_details"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CompletionPromptDetails? PromptDetails { get; init; }

    /// <summary>The usage that is kept with a chat.</summary>
    /// <param name="chat">The chat.</param>
    public static CompletionUsage Of(StoredChat chat) => new(
        chat.InputTokens ?? 0, chat.OutputTokens ?? 0, (chat.InputTokens ?? 0) + (chat.OutputTokens ?? 0))
    {
        PromptDetails = chat.CachedTokens is > 0 and var cached ? new(cached) : null,
    };
}

/// <summary>More about the tokens of a request.</summary>
/// <param name="CachedTokens">Those that the endpoint had in its cache.</param>
internal sealed record CompletionPromptDetails([property: JsonPropertyName("cached_tokens")] long CachedTokens);
