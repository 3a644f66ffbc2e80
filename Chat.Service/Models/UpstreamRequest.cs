using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>Writes what an endpoint is asked.</summary>
internal static class UpstreamRequest
{
    /// <summary>The body of a request for a stream.</summary>
    /// <param name="model">What the endpoint calls the model.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="options">Wishes about the answer.</param>
    public static byte[] Write(string model, IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var body = new JsonObject
        {
            ["model"] = model,
            ["messages"] = new JsonArray([.. messages.Select(Write)]),
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
        Add("temperature", options?.Temperature);
        Add("top_p", options?.TopP);
        Add("max_completion_tokens", options?.MaxOutputTokens);
        Add("presence_penalty", options?.PresencePenalty);
        Add("frequency_penalty", options?.FrequencyPenalty);
        Add("seed", options?.Seed);
        if (options?.StopSequences is { Count: > 0 } stops)
        {
            body["stop"] = new JsonArray([.. stops.Select(stop => JsonValue.Create(stop))]);
        }

        return JsonSerializer.SerializeToUtf8Bytes(body, JsonSerializerOptions.Web);

        void Add<TValue>(string name, TValue? value)
            where TValue : struct
        {
            if (value is { } some)
            {
                body[name] = JsonValue.Create(some);
            }
        }
    }

    private static JsonObject Write(ChatMessage message)
    {
        var json = new JsonObject { ["role"] = message.Role.Value, ["content"] = message.Text };
        if (message.AuthorName is { } name)
        {
            json["name"] = name;
        }

        return json;
    }
}
