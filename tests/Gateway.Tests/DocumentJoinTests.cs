using System.Text.Json.Nodes;
using Gateway.Description;
using Yarp.ReverseProxy.Configuration;

namespace Gateway.Tests;

/// <summary>What of the services' descriptions is in the joined one, under which names.</summary>
public sealed class DocumentJoinTests
{
    private static readonly RouteConfig[] Routes =
    [
        Route("one", "/api/one/{**rest}"),
        Route("two", "/api/two", "GET"),
    ];

    [Fact]
    public void Operations_ThatNoRouteLeadsTo_AreLeftOut()
    {
        var joined = Join(
            """
            {"paths":{"/api/one":{"get":OP},"/api/one/{id}":{"get":OP},"/charges":{"put":OP},"/api/two":{"get":OP}}}
            """,
            """{"paths":{"/api/two":{"get":OP,"post":OP},"/api/two/x":{"get":OP}}}""");
        Assert.Equal(
            ["/api/one get", "/api/one/{id} get", "/api/two get"],
            from path in joined["paths"]!.AsObject()
            from operation in path.Value!.AsObject()
            select $"{path.Key} {operation.Key}");
    }

    [Fact]
    public void Components_NotReferredTo_AreLeftOut()
    {
        var joined = Join(
            Document("/api/one", """{"A":{"items":{"$ref":"#/components/schemas/B"}},"B":{},"C":{}}"""),
            Document("/api/two", """{"A":{"items":{"$ref":"#/components/schemas/B"}},"B":{}}"""));
        Assert.Equal(["A", "B"], Names(joined));
    }

    [Fact]
    public void Components_OfOneNameThatDiffer_HaveTheServicesNameAndSoDoesWhatRefersToThem()
    {
        var joined = Join(
            Document("/api/one", """{"A":{"items":{"$ref":"#/components/schemas/B"}},"B":{"type":"string"}}"""),
            Document("/api/two", """{"A":{"items":{"$ref":"#/components/schemas/B"}},"B":{"type":"integer"}}"""));
        Assert.Equal(["A", "B", "TwoA", "TwoB"], Names(joined));
        var schemas = joined["components"]!["schemas"]!;
        Assert.Equal("#/components/schemas/B", (string?)schemas["A"]!["items"]!["$ref"]);
        Assert.Equal("#/components/schemas/TwoB", (string?)schemas["TwoA"]!["items"]!["$ref"]);
        Assert.Equal("#/components/schemas/A", (string?)joined["paths"]!["/api/one"]!["get"]!["$ref"]);
        Assert.Equal("#/components/schemas/TwoA", (string?)joined["paths"]!["/api/two"]!["get"]!["$ref"]);
    }

    [Fact]
    public void SecuritySchemes_ThatAnOperationNeeds_AreThere()
    {
        var joined = Join(
            """
            {"paths":{"/api/one":{"get":{"tags":["A"],"security":[{"bearer":[]}]}}},
            "components":{"securitySchemes":{"bearer":{"type":"http"},"other":{}}}}
            """,
            """{"paths":{}}""");
        Assert.Equal(["bearer"], joined["components"]!["securitySchemes"]!.AsObject().Select(scheme => scheme.Key));
    }

    [Fact]
    public void Reference_ToNothing_IsRefused() => Assert.Throws<InvalidDataException>(
        () => Join(Document("/api/one", "{}"), """{"paths":{}}"""));

    private static JsonObject Join(string one, string two) => DocumentJoin.Join(
        Routes, new Dictionary<string, JsonObject> { ["two"] = Parse(two), ["one"] = Parse(one) });

    private static JsonObject Parse(string json) =>
        JsonNode.Parse(json.Replace("OP", """{"tags":["A"]}""", StringComparison.Ordinal))!.AsObject();

    /// <summary>A service with one operation, which refers to the schema A.</summary>
    private static string Document(string path, string schemas) => """
        {"paths":{"PATH":{"get":{"tags":["A"],"$ref":"#/components/schemas/A"}}},"components":{"schemas":SCHEMAS}}
        """.Replace("PATH", path, StringComparison.Ordinal).Replace("SCHEMAS", schemas, StringComparison.Ordinal);

    private static IEnumerable<string> Names(JsonObject joined) =>
        joined["components"]!["schemas"]!.AsObject().Select(schema => schema.Key);

    private static RouteConfig Route(string cluster, string path, params string[] methods) => new()
    {
        RouteId = cluster,
        ClusterId = cluster,
        Match = new() { Path = path, Methods = methods.Length == 0 ? null : methods },
    };
}
