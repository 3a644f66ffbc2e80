using System.Text.Json;

namespace Chat.Service.OpenAi;

/// <summary>Values of a JSON body, or an error that names the one that does not fit.</summary>
internal static class JsonValues
{
    private const int MaxShown = 100;

    /// <summary>A member that is there and is not null.</summary>
    public static JsonElement? Present(this JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && !value.IsNull() ? value : null;

    /// <summary>Whether it is null.</summary>
    public static bool IsNull(this JsonElement value) => value.ValueKind is JsonValueKind.Null;

    /// <summary>A name that a client made up, short enough to be repeated.</summary>
    public static string Cut(this string name) => name.Length > MaxShown ? $"{name[..MaxShown]}…" : name;

    /// <summary>Refuses a value of another type.</summary>
    public static void MustBe(this JsonElement value, string name, params JsonValueKind[] kinds)
    {
        if (!kinds.Contains(value.ValueKind))
        {
            throw Type(name, kinds[0] is JsonValueKind.Array ? "an array" : "an object");
        }
    }

    /// <summary>A text that can be stored.</summary>
    public static string Text(this JsonElement value, string name)
    {
        if (value.ValueKind is not JsonValueKind.String)
        {
            throw Type(name, "a string");
        }

        string text;
        try
        {
            text = value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new CompletionException(name, "invalid_value", $"'{name}' holds half of a character.");
        }

        return text.Contains('\0')
            ? throw new CompletionException(name, "invalid_value", $"'{name}' must not hold a NUL character.")
            : text;
    }

    /// <summary>A list of texts, with one at least.</summary>
    public static List<string> Texts(this JsonElement value, string name)
    {
        value.MustBe(name, JsonValueKind.Array);
        var texts = value.EnumerateArray().Select((text, n) => text.Text($"{name}[{n}]")).ToList();
        return texts.Count > 0 ? texts : throw new CompletionException(name, "invalid_value", $"'{name}' is empty.");
    }

    /// <summary>True or false.</summary>
    public static bool Flag(this JsonElement value, string name) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Type(name, "a boolean"),
    };

    /// <summary>A number within bounds, or null.</summary>
    public static double? Number(this JsonElement value, string name, double min, double max) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number when value.GetDouble() is var number && number >= min && number <= max => number,
        JsonValueKind.Number => throw new CompletionException(
            name, "invalid_value", FormattableString.Invariant($"'{name}' must be {min} to {max}.")),
        _ => throw Type(name, "a number"),
    };

    /// <summary>A whole number from 1 on.</summary>
    public static int Whole(this JsonElement value, string name) =>
        value.ValueKind is not JsonValueKind.Number ? throw Type(name, "an integer")
        : value.TryGetInt32(out var number) && number > 0 ? number
        : throw new CompletionException(name, "invalid_value", $"'{name}' must be a whole number from 1 on.");

    /// <summary>Any whole number.</summary>
    public static long Long(this JsonElement value, string name) =>
        value.ValueKind is JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number
            : throw Type(name, "an integer");

    private static CompletionException Type(string name, string type) =>
        new(name, "invalid_type", $"Invalid type for '{name}': it must be {type}.");
}
