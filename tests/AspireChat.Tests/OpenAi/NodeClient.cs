using System.Text.Json.Nodes;
using Tests.Shared;

namespace AspireChat.Tests.OpenAi;

/// <summary>The openai package from npm, run by node.</summary>
internal static class NodeClient
{
    /// <summary>The last one that the node of older distributions runs.</summary>
    private const string Package = "openai@6.39.0";

    /// <summary>Makes a call of client.mjs.</summary>
    /// <param name="call">Its name there.</param>
    /// <param name="gateway">Where the gateway is.</param>
    /// <param name="key">An access token.</param>
    /// <returns>What it printed: <c>result</c> or <c>error</c>.</returns>
    public static async Task<JsonNode> CallAsync(string call, Uri gateway, string key)
    {
        var printed = await Npm.RunAsync(
            "node",
            [Path.Combine(AppContext.BaseDirectory, "OpenAi", "client.mjs"), await Npm.InstallAsync(Package), call],
            new() { ["OPENAI_BASE_URL"] = new Uri(gateway, "/api/v1").ToString(), ["OPENAI_API_KEY"] = key });
        return JsonNode.Parse(printed)!;
    }
}
