using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Aspire.Local.Tests;

/// <summary>The deployment manifest is Aspire's: https://json.schemastore.org/aspire-8.0.json.</summary>
public sealed partial class ManifestTests : IDisposable
{
    private const string Output = "aspire-manifest.json";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>What the schema allows each type to have; those with a star must be there.</summary>
    private static readonly Dictionary<string, string[]> Properties = new()
    {
        ["parameter.v0"] = ["value*", "inputs*", "connectionString"],
        ["value.v0"] = ["connectionString*"],
        ["annotated.string"] = ["value*", "filter*"],
        ["container.v0"] = ["image*", "entrypoint", "args", "connectionString", "env", "bindings", "volumes"],
        ["project.v0"] = ["path*", "args", "env", "bindings"],
        ["executable.v0"] = ["workingDirectory*", "command*", "args", "env", "bindings"],
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("manifest-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task AppHost_Published_WritesAManifestThatIsValidAndWhole()
    {
        var (exitCode, output) = await PublishAsync($"--output-path={_folder.FullName}");
        Assert.True(exitCode == 0, output);
        var resources = Read();
        Assert.Equal(["cache", "postgres"], OfType(resources, "container.v0"));
        Assert.Equal(["chat", "gateway", "identity", "ledger"], OfType(resources, "project.v0"));
        Assert.Equal(["chatdb", "identitydb", "ledgerdb"], OfType(resources, "value.v0"));
        foreach (var (name, resource) in resources)
        {
            AssertValid(name, resource!.AsObject());
        }

        foreach (Match expression in Expression().Matches(resources.ToJsonString()))
        {
            AssertResolves(resources, expression.Groups["resource"].Value, expression.Groups["path"].Value.Split('.'));
        }

        foreach (var project in OfType(resources, "project.v0"))
        {
            Assert.True(File.Exists(Path.Combine(_folder.FullName, (string)resources[project]!["path"]!)));
        }

        Assert.Equal(8080, (int)resources["gateway"]!["bindings"]!["http"]!["port"]!);
        Assert.True((bool)resources["gateway"]!["bindings"]!["http"]!["external"]!);
    }

    [Fact]
    public async Task Resources_Published_AreWrittenAsAspireDoes()
    {
        await using var builder = DistributedApplicationTestingBuilder.Create(
            "--operation=publish", "--step=publish-manifest", $"--output-path={_folder.FullName}");
        var password = builder.AddParameter("pass", secret: true);
        var cache = builder.AddRedis("cache", password: password).WithDataVolume("kept");
        builder.AddParameter("shown", "value", publishValueAsDefault: true);
        builder.AddParameter("unseen").ExcludeFromManifest();
        builder.AddExecutable("worker", "run", _folder.FullName, "--quick").WithReference(cache);
        await using var app = await builder.BuildAsync(Cancellation);
        await app.StartAsync(Cancellation).WaitAsync(Timeout, Cancellation);

        var expected = JsonNode.Parse("""
            {
              "pass": {
                "type": "parameter.v0",
                "value": "{pass.inputs.value}",
                "inputs": { "value": { "type": "string", "secret": true } }
              },
              "cache": {
                "type": "container.v0",
                "connectionString":
                  "{cache.bindings.tcp.host}:{cache.bindings.tcp.port},password={pass.value}",
                "image": "docker.io/library/redis:8.6",
                "entrypoint": "/bin/sh",
                "args": [ "-c", "redis-server --requirepass $REDIS_PASSWORD" ],
                "volumes": [ { "name": "kept", "target": "/data", "readOnly": false } ],
                "env": { "REDIS_PASSWORD": "{pass.value}" },
                "bindings": {
                  "tcp": { "scheme": "tcp", "protocol": "tcp", "transport": "tcp", "targetPort": 6379 }
                }
              },
              "shown": {
                "type": "parameter.v0",
                "value": "{shown.inputs.value}",
                "inputs": { "value": { "type": "string", "default": { "value": "value" } } }
              },
              "worker": {
                "type": "executable.v0",
                "workingDirectory": ".",
                "command": "run",
                "args": [ "--quick" ],
                "env": {
                  "ConnectionStrings__cache": "{cache.connectionString}",
                  "CACHE_HOST": "{cache.bindings.tcp.host}",
                  "CACHE_PORT": "{cache.bindings.tcp.port}",
                  "CACHE_PASSWORD": "{pass.value}",
                  "CACHE_URI":
                    "redis://:{pass-uri-encoded.value}@{cache.bindings.tcp.host}:{cache.bindings.tcp.port}"
                }
              },
              "pass-uri-encoded": { "type": "annotated.string", "value": "{pass.value}", "filter": "uri" }
            }
            """);
        Assert.Equal(expected!.ToJsonString(), Read().ToJsonString());
    }

    [Theory]
    [InlineData("--output-path", "--step=publish-manifest")]
    [InlineData("'deploy'", "--step=deploy", "--output-path=/tmp")]
    [InlineData("cannot be written", "--step=publish-manifest", "--output-path=/dev/null/here")]
    public async Task AppHost_PublishedWithBadArguments_SaysWhatIsWrongAndFails(string says, params string[] arguments)
    {
        var (exitCode, output) = await AppHostProcess.RunAsync(["--operation=publish", .. arguments]);
        Assert.Equal(1, exitCode);
        Assert.Contains(says, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AppHost_WithAnUnknownOperation_SaysWhichThereAre()
    {
        var (exitCode, output) = await AppHostProcess.RunAsync("--operation=dance");
        Assert.Equal(1, exitCode);
        Assert.Contains("'run' or 'publish'", output, StringComparison.Ordinal);
    }

    private static Task<(int ExitCode, string Output)> PublishAsync(params string[] arguments) =>
        AppHostProcess.RunAsync(["--operation", "publish", "--step", "publish-manifest", .. arguments]);

    private JsonObject Read() =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.FullName, Output)))!["resources"]!.AsObject();

    private static string[] OfType(JsonObject resources, string type) =>
        [.. resources.Where(pair => (string)pair.Value!["type"]! == type).Select(pair => pair.Key).Order()];

    private static void AssertValid(string name, JsonObject resource)
    {
        var allowed = Properties[(string)resource["type"]!];
        Assert.Empty(resource.Select(pair => pair.Key)
            .Except(allowed.Select(property => property.TrimEnd('*')).Append("type")));
        foreach (var property in allowed.Where(property => property.EndsWith('*')))
        {
            Assert.True(resource.ContainsKey(property.TrimEnd('*')), $"{name} has no {property}");
        }

        foreach (var (variable, value) in resource["env"]?.AsObject() ?? [])
        {
            Assert.True(value!.GetValueKind() == System.Text.Json.JsonValueKind.String, $"{name}: {variable}");
        }

        foreach (var (_, binding) in resource["bindings"]?.AsObject() ?? [])
        {
            Assert.True((string)binding!["scheme"]! is "http" or "https" or "tcp" or "udp");
            Assert.True((string)binding["protocol"]! is "tcp" or "udp");
            Assert.True((string)binding["transport"]! is "http" or "http2" or "tcp");
        }
    }

    /// <summary>An expression leads to a property, or to a part that the deployment gives to a binding.</summary>
    private static void AssertResolves(JsonObject resources, string name, string[] path)
    {
        var node = resources[name];
        foreach (var step in path[0] == "bindings" ? path[..2] : path)
        {
            Assert.True(node is not null, $"{name}.{string.Join('.', path)} leads nowhere");
            node = node[step];
        }

        Assert.True(node is not null, $"{name}.{string.Join('.', path)} leads nowhere");
    }

    [GeneratedRegex(@"\{(?<resource>[\w-]+)\.(?<path>[\w.-]+)\}")]
    private static partial Regex Expression();
}
