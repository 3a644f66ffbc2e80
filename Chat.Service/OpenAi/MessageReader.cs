using System.Text;
using System.Text.Json;
using Chat.Service.Chats;

namespace Chat.Service.OpenAi;

/// <summary>Reads the messages of a request.</summary>
internal static class MessageReader
{
    private const int MaxNameLength = 64;

    private static readonly HashSet<string> Roles =
        ["system", "developer", CompletionMessage.User, CompletionMessage.Assistant];

    /// <summary>Reads all of them.</summary>
    /// <param name="list">The list.</param>
    /// <param name="maxCount">How many there may be.</param>
    /// <exception cref="CompletionException">Something in it does not fit.</exception>
    public static IReadOnlyList<CompletionMessage> ReadAll(JsonElement list, int maxCount)
    {
        list.MustBe("messages", JsonValueKind.Array);
        if (list.GetArrayLength() is var count && (count == 0 || count > maxCount))
        {
            throw new CompletionException("messages", "invalid_value", $"'messages' has 1 to {maxCount} messages.");
        }

        var messages = list.EnumerateArray()
            .Select((message, n) => Read(message, $"messages[{n}]"))
            .ToList();
        var last = messages.FindLastIndex(message => message.Role == CompletionMessage.User);
        return last < 0
            ? throw new CompletionException("messages", "invalid_value", "'messages' needs one of the role 'user'.")
            : string.IsNullOrWhiteSpace(messages[last].Content)
            ? throw new CompletionException(
                $"messages[{last}].content", "invalid_value",
                $"'messages[{last}].content' is the user's last word and must not be empty.")
            : Encoding.UTF8.GetByteCount(messages[last].Content) > ChatMessageAttribute.MaxBytes
            ? throw new CompletionException(
                $"messages[{last}].content", "invalid_value",
                $"'messages[{last}].content' is the user's last word"
                + $" and may have {ChatMessageAttribute.MaxBytes} bytes at most.")
            : messages;
    }

    private static CompletionMessage Read(JsonElement message, string place)
    {
        message.MustBe(place, JsonValueKind.Object);
        var role = message.Present("role")?.Text($"{place}.role")
            ?? throw new CompletionException(
                $"{place}.role", "missing_required_parameter", $"Missing required parameter: '{place}.role'.");
        if (!Roles.Contains(role))
        {
            throw new CompletionException(
                $"{place}.role", "unsupported_value",
                $"Unsupported value: '{place}.role' can be {string.Join(", ", Roles)} here.");
        }

        // What a client got as an answer it sends back as it is, with the nulls of what was not in it.
        foreach (var field in message.EnumerateObject().Where(field => !field.Value.IsNull()))
        {
            if (field.Name is not ("role" or "content" or "name"))
            {
                var name = $"{place}.{field.Name.Cut()}";
                throw new CompletionException(
                    name, "unsupported_parameter", $"Unsupported parameter: '{name}' cannot be used here.");
            }
        }

        return new(role, ReadContent(message.Present("content"), $"{place}.content"), ReadName(message, place));
    }

    private static string ReadContent(JsonElement? content, string place) => content switch
    {
        null => throw new CompletionException(
            place, "missing_required_parameter", $"Missing required parameter: '{place}'."),
        { ValueKind: JsonValueKind.Array } parts => string.Concat(
            parts.EnumerateArray().Select((part, n) => ReadPart(part, $"{place}[{n}]"))),
        { } text => text.Text(place),
    };

    private static string ReadPart(JsonElement part, string place)
    {
        part.MustBe(place, JsonValueKind.Object);
        if (part.Present("type")?.Text($"{place}.type") is not "text")
        {
            throw new CompletionException(
                $"{place}.type", "unsupported_value",
                $"Unsupported value: '{place}.type' can only be 'text' here.");
        }

        foreach (var field in part.EnumerateObject().Where(field => field.Name is not ("type" or "text")))
        {
            var name = $"{place}.{field.Name.Cut()}";
            throw new CompletionException(
                name, "unsupported_parameter", $"Unsupported parameter: '{name}' cannot be used here.");
        }

        return part.Present("text")?.Text($"{place}.text") ?? throw new CompletionException(
            $"{place}.text", "missing_required_parameter", $"Missing required parameter: '{place}.text'.");
    }

    private static string? ReadName(JsonElement message, string place) =>
        message.Present("name")?.Text($"{place}.name") is not { } name ? null
        : name.Length is > 0 and <= MaxNameLength ? name
        : throw new CompletionException(
            $"{place}.name", "invalid_value", $"'{place}.name' has 1 to {MaxNameLength} characters.");
}
