using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing.Template;

namespace AspireChat.Tests.OpenApi;

/// <summary>The description of the API is the one in docs/openapi.json, complete, and true.</summary>
public sealed class OpenApiTests(AppHostFixture system)
{
    private const string RefreshVariable = "REFRESH_OPENAPI";

    /// <summary>For the message of a failure.</summary>
    private const string Refresh = $"If the change is meant, {RefreshVariable}=1 dotnet test "
        + "--project tests/AspireChat.Tests --filter-class '*OpenApiTests' writes docs/openapi.json anew.";

    private static Description Description => Description.OfTheRepository;

    public static TheoryData<string> Operations() =>
        [.. Description.Operations.Select(operation => operation.ToString())];

    public static TheoryData<string, string> Routes() => [.. Gateway()
        .SelectMany(route => route.Value!["Match"]!["Methods"]?.AsArray().Select(method => (string)method!) ?? ["any"],
            (route, method) => (route.Key, method))];

    [Fact]
    public async Task Description_Served_IsTheOneInTheRepository()
    {
        using var client = system.CreateClient();
        using var response = await client.ReadAsync("/openapi/v1.json");
        Assert.True(response.IsSuccessStatusCode, $"The description is not there: {response.StatusCode}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        if (Environment.GetEnvironmentVariable(RefreshVariable) is not null)
        {
            await File.WriteAllTextAsync(
                Description.FilePath, text.ReplaceLineEndings("\n") + "\n", TestContext.Current.CancellationToken);
            return;
        }

        var changes = Changes(Description.Document, JsonNode.Parse(text), "").Take(20).ToList();
        Assert.True(changes.Count == 0, string.Join('\n', ["The API is not the one described.", .. changes, Refresh]));
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public void Route_OfTheGateway_IsDescribed(string route, string method)
    {
        var match = new TemplateMatcher(TemplateParser.Parse((string)Gateway()[route]!["Match"]!["Path"]!), []);
        Assert.Contains(Description.Operations, operation =>
            match.TryMatch(operation.Path, []) && (method == "any" || operation.Method == method));
    }

    [Fact]
    public void Operations_OfAllServices_HaveNamesOfTheirOwn()
    {
        var names = Description.Operations.Select(operation => (string)operation.Json["operationId"]!).ToList();
        Assert.All(names, name => Assert.Matches("^[a-z]+[A-Za-z0-9]*$", name));
        Assert.Equal(names.Count, names.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Operation_Described_SaysWhatItDoesWithExamples(string name)
    {
        var operation = Description[name];
        Assert.StartsWith("/api/", operation.Path, StringComparison.Ordinal);
        Assert.False(string.IsNullOrWhiteSpace((string?)operation.Json["summary"]), "It has no summary.");
        Assert.Single(operation.Json["tags"]!.AsArray());
        Assert.NotEmpty(operation.Answers);
        var examples = operation.Answers.Where(answer => answer.ContentType == "application/json")
            .Select(answer => answer.Content!["schema"]!).Append(operation.BodySchema).OfType<JsonNode>();
        Assert.All(examples, schema =>
        {
            var example = Description.ExampleOf(schema);
            Assert.NotNull(example);
            Assert.Empty(Description.Misfits(example, schema));
        });
        Assert.All(
            operation.Answers.Where(answer => answer.ContentType is not (null or "application/json")),
            answer => Assert.False(string.IsNullOrWhiteSpace((string?)answer.Content!["example"])));
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Errors_OfAnOperation_HaveTheirShapeAndExamplesOfIt(string name)
    {
        var operation = Description[name];
        var type = operation.Path.StartsWith("/api/v1/", StringComparison.Ordinal)
            ? "application/json"
            : "application/problem+json";
        Assert.Contains(operation.Errors, error => error.Status == "default");
        Assert.Equal(
            operation.Json["security"] is not null || name.EndsWith("/login", StringComparison.Ordinal)
                || name.EndsWith("/refresh", StringComparison.Ordinal)
                || name.EndsWith("/logout", StringComparison.Ordinal),
            operation.Errors.Any(error => error.Status == "401"));
        Assert.All(operation.Errors, error =>
        {
            var (contentType, content) = Assert.Single(error.Response["content"]!.AsObject());
            Assert.Equal(type, contentType);
            var examples = content!["examples"]!.AsObject().Select(example => example.Value!["value"]!).ToList();
            Assert.NotEmpty(examples);
            Assert.All(examples, example => Assert.Empty(Description.Misfits(example, content["schema"]!)));
        });
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Operation_SentAsItsExample_AnswersAsDescribed(string name)
    {
        var operation = Description[name];
        foreach (var (status, contentType, content) in operation.Answers)
        {
            using var caller = await ExampleCaller.CreateAsync(system);
            using var response = await caller.SendAsync(operation, contentType);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.True((int)response.StatusCode == status, $"{status} was described, and {response}\n{text} came.");
            Assert.Equal(contentType, response.Content.Headers.ContentType?.MediaType);
            if (contentType == "application/json")
            {
                Assert.Empty(Description.Misfits(JsonNode.Parse(text), content!["schema"]!));
            }
        }
    }

    [Theory]
    [InlineData("POST /api/chat", "402")]
    [InlineData("POST /api/tokens/deduct", "402")]
    [InlineData("POST /api/v1/chat/completions", "402")]
    public async Task Refusal_ForWantOfTokens_IsAsDescribed(string name, string status)
    {
        var operation = Description[name];
        using var caller = await ExampleCaller.CreateAsync(system);
        using var spent = await caller.Client.PostAsync("/api/tokens/deduct", new { amount = 3850 });
        Assert.True(spent.IsSuccessStatusCode, $"{spent}");
        using var response = await caller.SendAsync(operation, "application/json");
        Assert.Equal(status, $"{(int)response.StatusCode}");

        var described = operation.Errors.Single(error => error.Status == status).Response;
        var (contentType, content) = described["content"]!.AsObject().Single();
        Assert.Equal(contentType, response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var answer = JsonNode.Parse(text)!;
        Assert.Empty(Description.Misfits(answer, content!["schema"]!));
        var example = content["examples"]!["insufficient_tokens"]!["value"]!;
        Assert.Equal(
            example.AsObject().Select(member => member.Key).Order(),
            answer.AsObject().Select(member => member.Key).Order());
        Assert.Equal(
            (string?)(example["error"] ?? example)["code"], (string?)(answer["error"] ?? answer)["code"]);
    }

    private static JsonObject Gateway() => JsonNode.Parse(
        File.ReadAllText(Path.Combine(Description.Root, "Gateway", "appsettings.json")))!
        ["ReverseProxy"]!["Routes"]!.AsObject();

    /// <summary>Where two documents differ, whatever the order of their members.</summary>
    private static IEnumerable<string> Changes(JsonNode? old, JsonNode? now, string place) => (old, now) switch
    {
        (JsonObject before, JsonObject after) => before.Select(member => member.Key)
            .Union(after.Select(member => member.Key))
            .SelectMany(name => Changes(before[name], after[name], $"{place}/{name}")),
        (JsonArray before, JsonArray after) when before.Count == after.Count =>
            before.Index().SelectMany(item => Changes(item.Item, after[item.Index], $"{place}/{item.Index}")),
        _ when JsonNode.DeepEquals(old, now) => [],
        _ => [$"{place}: {Short(old)} is described, {Short(now)} is served."],
    };

    private static string Short(JsonNode? node)
    {
        var text = node?.ToJsonString() ?? "nothing";
        return text.Length > 200 ? $"{text[..200]}…" : text;
    }
}
