using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing.Template;
using Yarp.ReverseProxy.Configuration;

namespace Gateway.Description;

/// <summary>
/// Makes one description (OpenAPI 3.1) out of those of the services: the operations that a route leads to, and what
/// they refer to. The order of the services does not matter.
/// </summary>
internal sealed class DocumentJoin(IReadOnlyList<RouteConfig> routes)
{
    private const string Components = "#/components/";

    private readonly SortedDictionary<string, JsonObject> _paths = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, SortedDictionary<string, JsonNode>> _components =
        new(StringComparer.Ordinal);

    /// <summary>Joins documents.</summary>
    /// <param name="routes">The gateway's routes.</param>
    /// <param name="services">The document of each service, by the id of its cluster.</param>
    /// <returns>The joined document.</returns>
    public static JsonObject Join(
        IReadOnlyList<RouteConfig> routes, IReadOnlyDictionary<string, JsonObject> services)
    {
        var join = new DocumentJoin(routes);
        foreach (var (service, document) in services.OrderBy(service => service.Key, StringComparer.Ordinal))
        {
            join.Add(service, document);
        }

        return join.ToDocument();
    }

    private void Add(string service, JsonObject document)
    {
        var paths = PathsOf(service, document);
        var needed = Needed(document, paths);
        var renames = Renames(service, needed);
        foreach (var (reference, component) in needed)
        {
            var (section, name) = Split(renames.GetValueOrDefault(reference, reference));
            _components.TryAdd(section, new(StringComparer.Ordinal));
            _components[section].TryAdd(name, Rewritten(component, renames));
        }

        foreach (var (path, operations) in paths)
        {
            _paths.TryAdd(path, []);
            foreach (var (method, operation) in operations)
            {
                _paths[path].Add(method, Rewritten(operation!, renames));
            }
        }
    }

    /// <summary>The operations of a service that clients reach.</summary>
    private Dictionary<string, JsonObject> PathsOf(string service, JsonObject document)
    {
        var paths = new Dictionary<string, JsonObject>();
        foreach (var (path, operations) in document["paths"]!.AsObject())
        {
            var reached = operations!.AsObject().Where(operation => IsReached(service, path, operation.Key))
                .Select(operation => KeyValuePair.Create(operation.Key, operation.Value?.DeepClone())).ToList();
            if (reached.Count > 0)
            {
                paths[path] = new JsonObject(reached);
            }
        }

        return paths;
    }

    private bool IsReached(string service, string path, string method) => routes.Any(route =>
        route.ClusterId == service
        && route.Match.Methods?.Contains(method, StringComparer.OrdinalIgnoreCase) != false
        && new TemplateMatcher(TemplateParser.Parse(route.Match.Path!), []).TryMatch(path, []));

    /// <summary>The components that operations refer to, and those that these refer to.</summary>
    private static Dictionary<string, JsonNode> Needed(JsonObject document, Dictionary<string, JsonObject> paths)
    {
        var needed = new Dictionary<string, JsonNode>();
        var open = new Stack<string>(paths.Values.SelectMany(References));
        while (open.TryPop(out var reference))
        {
            var (section, name) = Split(reference);
            var component = document["components"]?[section]?[name]
                ?? throw new InvalidDataException($"A description refers to {reference}, which is not there.");
            if (needed.TryAdd(reference, component))
            {
                foreach (var next in References(component))
                {
                    open.Push(next);
                }
            }
        }

        return needed;
    }

    /// <summary>
    /// New names for components that another service has with other content: with the service's name before them.
    /// </summary>
    private Dictionary<string, string> Renames(string service, Dictionary<string, JsonNode> needed)
    {
        var renames = new Dictionary<string, string>();
        // What refers to a renamed one differs from then on.
        while (needed.FirstOrDefault(IsTaken).Key is { } reference)
        {
            var (section, name) = Split(reference);
            renames[reference] = $"{Components}{section}/{char.ToUpperInvariant(service[0])}{service[1..]}{name}";
        }

        return renames;

        bool IsTaken(KeyValuePair<string, JsonNode> component) => !renames.ContainsKey(component.Key)
            && Split(component.Key) is var (section, name)
            && _components.TryGetValue(section, out var others)
            && others.TryGetValue(name, out var other)
            && !JsonNode.DeepEquals(other, Rewritten(component.Value, renames));
    }

    private JsonObject ToDocument()
    {
        var tags = _paths.Values.SelectMany(operations => operations)
            .SelectMany(operation => operation.Value!["tags"]!.AsArray())
            .Select(tag => (string)tag!).Distinct().Order(StringComparer.Ordinal);
        return new JsonObject
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "AspireChat",
                ["version"] = "1.0.0",
                ["description"] = "An AI chat backend with metered tokens: register, log in, and pay for each chat "
                    + "from a balance. Errors are problem details (RFC 9457); those under /api/v1 have OpenAI's shape.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["tags"] = new JsonArray([.. tags.Select(tag => new JsonObject { ["name"] = tag })]),
            ["paths"] = ToObject(_paths),
            ["components"] = ToObject(_components.Select(
                section => KeyValuePair.Create(section.Key, ToObject(section.Value)))),
        };
    }

    private static JsonObject ToObject<TNode>(IEnumerable<KeyValuePair<string, TNode>> members)
        where TNode : JsonNode =>
        new(members.Select(member => KeyValuePair.Create<string, JsonNode?>(member.Key, member.Value)));

    /// <summary>All that a node refers to: by $ref, and the security schemes of an operation.</summary>
    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject members => members.SelectMany(member => member switch
        {
            { Key: "$ref", Value: JsonValue reference } => [(string)reference!],
            { Key: "security", Value: JsonArray needed } => needed.SelectMany(scheme => scheme!.AsObject())
                .Select(scheme => $"{Components}securitySchemes/{scheme.Key}"),
            _ => References(member.Value),
        }),
        JsonArray items => items.SelectMany(References),
        _ => [],
    };

    private static JsonNode Rewritten(JsonNode node, Dictionary<string, string> renames)
    {
        var copy = node.DeepClone();
        Rewrite(copy);
        return copy;

        void Rewrite(JsonNode? part)
        {
            if (part is JsonObject members)
            {
                if (members["$ref"] is JsonValue reference && renames.TryGetValue((string)reference!, out var name))
                {
                    members["$ref"] = name;
                }

                foreach (var member in members)
                {
                    Rewrite(member.Value);
                }
            }
            else if (part is JsonArray items)
            {
                foreach (var item in items)
                {
                    Rewrite(item);
                }
            }
        }
    }

    private static (string Section, string Name) Split(string reference)
    {
        var parts = reference.StartsWith(Components, StringComparison.Ordinal)
            ? reference[Components.Length..].Split('/')
            : [];
        return parts is [var section, var name]
            ? (section, name)
            : throw new InvalidDataException($"A description refers to {reference}, which is no component.");
    }
}
