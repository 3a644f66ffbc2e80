using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AppHost.Tests;

/// <summary>
/// What is published has what compose and Kubernetes need: images, volumes, bindings, parameters, and nothing of this
/// machine. https://aspire.dev/deployment/manifest-format/
/// </summary>
public sealed partial class ManifestTests
{
    private static readonly string[] Behind = ["identity", "ledger", "chat"];

    [Fact]
    public async Task Manifest_OfTheApplication_IsWholeAndKnowsNothingOfThisMachine()
    {
        using var place = new Place();
        var file = Path.Combine(place.Folder.FullName, "manifest.json");
        var (exitCode, output) = await AppHostProcess.RunAsync(
            place, ["--operation", "publish", "--step", "publish-manifest", "--output-path", file, "--Replicas=3"]);
        Assert.True(exitCode == 0, output);
        var text = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        var resources = JsonNode.Parse(text)!["resources"]!.AsObject();

        Assert.Equal(["cache", "postgres"], OfType(resources, "container.v0"));
        Assert.Equal(["chat", "gateway", "identity", "ledger"], OfType(resources, "project.v0"));
        Assert.Superset(
            new HashSet<string> { "chatdb", "identitydb", "ledgerdb" }, OfType(resources, "value.v0").ToHashSet());
        Assert.Empty(OfType(resources, "executable.v0"));

        var postgres = resources["postgres"]!;
        Assert.StartsWith("docker.io/library/postgres:", (string)postgres["image"]!, StringComparison.Ordinal);
        Assert.Equal(["-c", "max_connections=500"], postgres["args"]!.AsArray().Select(arg => (string)arg!));
        Assert.Equal("{postgres-password.value}", (string)postgres["env"]!["POSTGRES_PASSWORD"]!);
        Assert.Single(postgres["volumes"]!.AsArray());
        Assert.StartsWith("docker.io/library/redis:", (string)resources["cache"]!["image"]!, StringComparison.Ordinal);
        Assert.Contains("{cache-password.value}", resources["cache"]!.ToJsonString(), StringComparison.Ordinal);

        foreach (var secret in SecretTests.Parameters)
        {
            Assert.True((bool)resources[secret]!["inputs"]!["value"]!["secret"]!, secret);
        }

        Assert.True((bool)resources["gateway"]!["bindings"]!["http"]!["external"]!);
        foreach (var service in Behind)
        {
            Assert.Null(resources[service]!["bindings"]!["http"]!["external"]);
            Assert.Equal(
                $"{{{service}.bindings.http.url}}",
                (string)resources["gateway"]!["env"]![$"services__{service}__http__0"]!);
        }

        foreach (Match expression in Expression().Matches(text))
        {
            Assert.NotNull(resources[expression.Groups["resource"].Value]);
        }

        Assert.DoesNotContain(place.Folder.FullName, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Projects.AppHost.ProjectPath, text, StringComparison.Ordinal);
        Assert.DoesNotMatch("\"(/(home|root|tmp|work|usr|var/tmp)|[A-Z]:\\\\)", text);
    }

    private static string[] OfType(JsonObject resources, string type) =>
        [.. resources.Where(pair => (string)pair.Value!["type"]! == type).Select(pair => pair.Key).Order()];

    [GeneratedRegex(@"\{(?<resource>[\w-]+)\.(bindings|connectionString|value|inputs)[\w.-]*\}")]
    private static partial Regex Expression();
}
