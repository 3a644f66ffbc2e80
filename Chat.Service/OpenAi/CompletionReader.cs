using System.Text.Json;

namespace Chat.Service.OpenAi;

/// <summary>
/// Reads the body of POST /api/v1/chat/completions. What would change the answer and cannot be done is refused by name,
/// never passed over.
/// </summary>
internal static class CompletionReader
{
    /// <summary>The most messages of one request. Only the user's last one has a limit of its own.</summary>
    public const int MaxMessages = 256;

    private const int MaxStops = 4;
    private const int MaxModelName = 100;

    /// <summary>Parameters of OpenAI's that are known and cannot be done.</summary>
    private static readonly HashSet<string> Unsupported =
    [
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "logprobs", "top_logprobs",
        "logit_bias", "audio", "prediction", "reasoning_effort", "verbosity", "web_search_options", "service_tier",
        "moderation", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    ];

    /// <summary>Reads a request.</summary>
    /// <param name="body">The body.</param>
    /// <returns>The request.</returns>
    /// <exception cref="CompletionException">Something in it does not fit.</exception>
    public static CompletionRequest Read(JsonElement body)
    {
        if (body.ValueKind is not JsonValueKind.Object)
        {
            throw new CompletionException(null, "invalid_type", "The body must be a JSON object.");
        }

        var model = body.Present("model") is { } named
            ? named.Text("model")
            : throw Missing("model", "GET /api/v1/models lists the models.");
        var messages = body.Present("messages") is { } list
            ? MessageReader.ReadAll(list, MaxMessages)
            : throw Missing("messages", "Send a list of messages.");
        var (isStreamed, includesUsage) = ReadStream(body);
        var content = new CompletionContent { Messages = messages };
        foreach (var parameter in body.EnumerateObject())
        {
            Read(parameter.Name, parameter.Value, content);
        }

        // The newer word goes before the older one, wherever they stand.
        content.MaxTokens = body.Present("max_completion_tokens")?.Whole("max_completion_tokens") ?? content.MaxTokens;
        return new(
            model is { Length: > 0 and <= MaxModelName }
                ? model
                : throw new CompletionException("model", "invalid_value", "A model's name has 1 to 100 characters."),
            content,
            isStreamed,
            includesUsage);
    }

    private static void Read(string name, JsonElement value, CompletionContent content)
    {
        switch (name)
        {
            case "model" or "messages" or "stream" or "stream_options" or "max_completion_tokens":
                break; // Read already.
            case "user" or "safety_identifier":
                _ = value.IsNull() ? null : value.Text(name); // Whoever pays is the user.
                break;
            case "metadata":
                value.MustBe(name, JsonValueKind.Object, JsonValueKind.Null);
                break;
            case "store":
                Only(name, value.IsNull() || !value.Flag(name), "false");
                break;
            case "n":
                Only(name, value.IsNull() || value.Whole(name) == 1, "1");
                break;
            case "response_format":
                Only(name, value.IsNull() || IsPlainText(value), "{\"type\":\"text\"}");
                break;
            case "modalities":
                Only(name, value.IsNull() || value.Texts(name) is ["text"], "[\"text\"]");
                break;
            case "temperature":
                content.Temperature = value.Number(name, 0, 2);
                break;
            case "top_p":
                content.TopP = value.Number(name, 0, 1);
                break;
            case "presence_penalty":
                content.PresencePenalty = value.Number(name, -2, 2);
                break;
            case "frequency_penalty":
                content.FrequencyPenalty = value.Number(name, -2, 2);
                break;
            case "max_tokens":
                content.MaxTokens = value.IsNull() ? null : value.Whole(name);
                break;
            case "seed":
                content.Seed = value.IsNull() ? null : value.Long(name);
                break;
            case "stop":
                content.Stop = value.IsNull() ? null : ReadStop(value);
                break;
            default:
                Refuse(name, value);
                break;
        }
    }

    private static void Refuse(string name, JsonElement value)
    {
        if (!Unsupported.Contains(name))
        {
            throw Unknown(name);
        }

        // Clients send false or null for what they do not want.
        if (value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False))
        {
            throw new CompletionException(
                name, "unsupported_parameter", $"Unsupported parameter: '{name}' cannot be used here.");
        }
    }

    private static (bool IsStreamed, bool IncludesUsage) ReadStream(JsonElement body)
    {
        var isStreamed = body.Present("stream")?.Flag("stream") ?? false;
        if (body.Present("stream_options") is not { } options)
        {
            return (isStreamed, false);
        }

        options.MustBe("stream_options", JsonValueKind.Object);
        if (!isStreamed)
        {
            throw new CompletionException(
                "stream_options", "invalid_value", "'stream_options' needs 'stream' to be true.");
        }

        foreach (var option in options.EnumerateObject())
        {
            // Nothing here is made longer to hide how long it is.
            if (option.Name is not ("include_usage" or "include_obfuscation"))
            {
                throw Unknown($"stream_options.{option.Name}");
            }

            _ = option.Value.IsNull() || option.Value.Flag($"stream_options.{option.Name}");
        }

        return (true, options.Present("include_usage")?.Flag("stream_options.include_usage") ?? false);
    }

    private static List<string> ReadStop(JsonElement value)
    {
        var stops = value.ValueKind is JsonValueKind.Array ? value.Texts("stop") : [value.Text("stop")];
        return stops.Count <= MaxStops && stops.TrueForAll(stop => stop.Length > 0)
            ? stops
            : throw new CompletionException("stop", "invalid_value", "'stop' is a text, or a list of 1 to 4 texts.");
    }

    private static bool IsPlainText(JsonElement value)
    {
        value.MustBe("response_format", JsonValueKind.Object);
        return value.EnumerateObject().All(each =>
            each.Name == "type" && each.Value.Text("response_format.type") == "text");
    }

    private static void Only(string name, bool isIt, string only)
    {
        if (!isIt)
        {
            throw new CompletionException(
                name, "unsupported_value", $"Unsupported value: '{name}' can only be {only} here.");
        }
    }

    private static CompletionException Unknown(string name) =>
        new(name.Cut(), "unknown_parameter", $"Unknown parameter: '{name.Cut()}'.");

    private static CompletionException Missing(string name, string help) =>
        new(name, "missing_required_parameter", $"Missing required parameter: '{name}'. {help}");
}

/// <summary>A request that does not fit.</summary>
/// <param name="param">The parameter, if it is one.</param>
/// <param name="code">The fault, in a word for programs.</param>
/// <param name="message">The fault, in a sentence.</param>
internal sealed class CompletionException(string? param, string code, string message) : Exception(message)
{
    /// <summary>Gets the parameter, if it is one.</summary>
    public string? Param => param;

    /// <summary>Gets the fault, in a word for programs.</summary>
    public string Code => code;
}
