using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AspireChat.Tests.OpenApi;

/// <summary>A description of the API (OpenAPI 3.1), read as far as tests need it.</summary>
/// <param name="document">The document.</param>
internal sealed class Description(JsonObject document)
{
    private static readonly Lazy<Description> CheckedIn =
        new(() => new(JsonNode.Parse(File.ReadAllText(FilePath))!.AsObject()));

    /// <summary>Where the one that is checked in is.</summary>
    public static string FilePath => Path.Combine(Root, "docs", "openapi.json");

    /// <summary>The repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The one that is checked in.</summary>
    public static Description OfTheRepository => CheckedIn.Value;

    /// <summary>The document.</summary>
    public JsonObject Document => document;

    /// <summary>All operations.</summary>
    public IEnumerable<Operation> Operations =>
        from path in document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        select new Operation(this, operation.Key.ToUpperInvariant(), path.Key, operation.Value!.AsObject());

    /// <summary>An operation by its name, such as "GET /api/chat".</summary>
    public Operation this[string name] => Operations.Single(operation => operation.ToString() == name);

    /// <summary>What a reference stands for; anything else stands for itself.</summary>
    public JsonObject Resolve(JsonNode node) => (string?)node["$ref"] is { } reference
        ? reference.Split('/').Skip(1).Aggregate((JsonNode)document, (parent, name) => parent[name]!).AsObject()
        : node.AsObject();

    /// <summary>The example of a schema; of a list's items, if it is one.</summary>
    public JsonNode? ExampleOf(JsonNode schema) => Resolve(schema) is var resolved
        && resolved["items"] is { } items && resolved["examples"] is null
            ? ExampleOf(items) is { } item ? new JsonArray(item.DeepClone()) : null
            : resolved["examples"]?[0];

    /// <summary>How a value differs from a schema: members missing or not described, and other types.</summary>
    public IEnumerable<string> Misfits(JsonNode? value, JsonNode schema, string place = "$")
    {
        var rule = Resolve(schema);
        if (rule["oneOf"] is JsonArray choices)
        {
            return choices.Select(choice => Misfits(value, choice!, place).ToList()).MinBy(misfits => misfits.Count)!;
        }

        var types = rule["type"] switch
        {
            JsonArray several => [.. several.Select(type => (string)type!)],
            JsonValue one => [(string)one!],
            _ => Array.Empty<string>(),
        };
        var type = TypeOf(value);
        if (types.Length > 0 && !types.Contains(type) && !(type == "integer" && types.Contains("number")))
        {
            return [$"{place} is {type} and not {string.Join(" or ", types)}"];
        }

        return value switch
        {
            JsonObject members => MisfitsOf(members, rule, place),
            JsonArray items when rule["items"] is { } each =>
                items.Index().SelectMany(item => Misfits(item.Item, each, $"{place}[{item.Index}]")),
            _ => [],
        };
    }

    private IEnumerable<string> MisfitsOf(JsonObject members, JsonObject rule, string place)
    {
        var described = rule["properties"]?.AsObject() ?? [];
        foreach (var required in rule["required"]?.AsArray() ?? [])
        {
            if (!members.ContainsKey((string)required!))
            {
                yield return $"{place}.{required} is missing";
            }
        }

        foreach (var (name, member) in members)
        {
            if ((described[name] ?? rule["additionalProperties"]) is not { } schema)
            {
                yield return $"{place}.{name} is not described";
                continue;
            }

            foreach (var misfit in Misfits(member, schema, $"{place}.{name}"))
            {
                yield return misfit;
            }
        }
    }

    private static string TypeOf(JsonNode? value) => value?.GetValueKind() switch
    {
        null => "null",
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.Number =>
            value.ToJsonString().AsSpan().IndexOfAny('.', 'e', 'E') < 0 ? "integer" : "number",
        _ => "boolean",
    };

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "AspireChat.sln")))
        {
            folder = folder.Parent
                ?? throw new InvalidOperationException($"No AspireChat.sln above {AppContext.BaseDirectory}.");
        }

        return folder.FullName;
    }
}

/// <summary>An operation of the API.</summary>
/// <param name="Of">The description.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path, with names in braces.</param>
/// <param name="Json">What is said of it.</param>
internal sealed record Operation(Description Of, string Method, string Path, JsonObject Json)
{
    /// <summary>The schema of the body that it takes, if any.</summary>
    public JsonNode? BodySchema => Json["requestBody"]?["content"]?["application/json"]?["schema"];

    /// <summary>Each answer that is not an error: status, content type, and what is said of it.</summary>
    public IEnumerable<(int Status, string? ContentType, JsonNode? Content)> Answers =>
        from response in Json["responses"]!.AsObject()
        where response.Key[0] == '2'
        from content in response.Value!["content"]?.AsObject().AsEnumerable() ?? [default]
        select (int.Parse(response.Key.Replace('X', '0'), CultureInfo.InvariantCulture), content.Key, content.Value);

    /// <summary>Each answer that is an error, with its status or "default".</summary>
    public IEnumerable<(string Status, JsonObject Response)> Errors =>
        from response in Json["responses"]!.AsObject()
        where response.Key[0] != '2'
        select (response.Key, Of.Resolve(response.Value!));

    /// <inheritdoc/>
    public override string ToString() => $"{Method} {Path}";
}
