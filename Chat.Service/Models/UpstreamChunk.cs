using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>
/// Reads the chunks of an endpoint's stream. Fields that are missing, null or of another type are passed over: only a
/// text, an end or an error counts.
/// </summary>
internal static class UpstreamChunk
{
    /// <summary>The last event of a stream.</summary>
    public const string End = "[DONE]";

    /// <summary>What a chunk says.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <exception cref="ModelException">It says that the endpoint failed.</exception>
    public static ChatResponseUpdate Read(JsonElement chunk)
    {
        if (chunk.Find("error") is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } error)
        {
            throw new ModelException(error.Find("message").Text() ?? error.ToString());
        }

        var choice = chunk.Find("choices") is { ValueKind: JsonValueKind.Array } choices && choices.GetArrayLength() > 0
            ? choices[0]
            : default;
        return new(ChatRole.Assistant, choice.Find("delta").Find("content").Text())
        {
            ModelId = chunk.Find("model").Text(),
            FinishReason = choice.Find("finish_reason").Text() is { Length: > 0 } reason ? Reason(reason) : null,
        };
    }

    /// <summary>Why an answer ended. A word that OpenAI does not have means that all was said.</summary>
    private static ChatFinishReason Reason(string reason) => reason switch
    {
        "length" or "max_tokens" or "model_length" => ChatFinishReason.Length,
        "content_filter" or "safety" => ChatFinishReason.ContentFilter,
        "tool_calls" or "function_call" or "tool_use" => ChatFinishReason.ToolCalls,
        "error" => throw new ModelException("It ended with an error."),
        _ => ChatFinishReason.Stop,
    };

    /// <summary>Reads the figures of a chunk. What is no whole number from 0 on is taken for not reported.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="usage">Gets those that the chunk has.</param>
    public static void ReadUsage(JsonElement chunk, UsageDetails usage)
    {
        var told = chunk.Find("usage");
        usage.InputTokenCount = told.Find("prompt_tokens").Count() ?? usage.InputTokenCount;
        usage.CachedInputTokenCount =
            told.Find("prompt_tokens_details").Find("cached_tokens").Count() ?? usage.CachedInputTokenCount;
        usage.OutputTokenCount = told.Find("completion_tokens").Count() ?? usage.OutputTokenCount;
    }

    private static JsonElement Find(this JsonElement element, string name) =>
        element.ValueKind is JsonValueKind.Object && element.TryGetProperty(name, out var found) ? found : default;

    private static string? Text(this JsonElement element)
    {
        try
        {
            return element.ValueKind is JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return "\uFFFD"; // It holds half a character.
        }
    }

    private static long? Count(this JsonElement element) =>
        element.ValueKind is JsonValueKind.Number && element.TryGetInt64(out var count) && count >= 0 ? count : null;
}
