using System.Net;
using System.Text.Json.Nodes;

namespace AspireChat.Tests.OpenAi;

/// <summary>The openai package from npm works with the gateway as it does with OpenAI.</summary>
public sealed class NodeClientTests(AppHostFixture system)
{
    [Fact]
    public async Task Completion_ByNode_IsAnsweredAndPaid()
    {
        using var user = await system.NewUserAsync();
        var result = (await CallAsync("complete", user))["result"]!;
        Assert.Equal("AI Response to: Hello from npm", (string?)result["choices"]![0]!["message"]!["content"]);
        Assert.Equal("stop", (string?)result["choices"]![0]!["finish_reason"]);
        Assert.Equal("mock", (string?)result["model"]);
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Stream_ByNode_ComesInPiecesWithItsUsageAndIsPaid()
    {
        using var user = await system.NewUserAsync();
        var result = (await CallAsync("stream", user))["result"]!;
        Assert.Equal("AI Response to: Hello from npm", (string?)result["text"]);
        Assert.Equal(("assistant", "stop"), ((string?)result["role"], (string?)result["finish_reason"]));
        Assert.True((int)result["pieces"]! > 4, result.ToJsonString());
        Assert.Equal(12, (int)result["usage"]!["total_tokens"]!); // 14 and 30 bytes, 4 to a token.
        Assert.Equal(3900, await user.Client.BalanceAsync());

        var helped = (await CallAsync("stream-helper", user))["result"]!;
        Assert.Equal("AI Response to: Hello from npm", (string?)helped["text"]);
    }

    [Fact]
    public async Task Answer_SentBackByNode_IsTaken()
    {
        using var user = await system.NewUserAsync();
        var result = (await CallAsync("turns", user))["result"]!;
        Assert.Equal("AI Response to: And again", (string?)result["text"]);
    }

    [Fact]
    public async Task Models_ListedByNode_AreTheMock()
    {
        using var user = await system.NewUserAsync();
        var result = (await CallAsync("models", user))["result"]!;
        Assert.Equal("mock", (string?)Assert.Single(result["ids"]!.AsArray()));
        Assert.Equal("mock", (string?)result["one"]);
    }

    [Theory]
    [InlineData("failing-stream")]
    [InlineData("failing-stream-helper")]
    public async Task Stream_ThatFailsInTheMiddle_ThrowsInNodeAndIsRefunded(string call)
    {
        using var user = await system.NewUserAsync();
        var error = (await CallAsync(call, user))["error"];
        AssertError(error, "APIError", status: null, "model_failed");
        Assert.Equal("The model failed. You were not charged.", (string?)error!["message"]);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Theory]
    [InlineData("tools", "BadRequestError", 400, "unsupported_parameter")]
    [InlineData("unknown-model", "NotFoundError", 404, "model_not_found")]
    public async Task Request_ThatDoesNotFit_ThrowsInNode(string call, string name, int status, string code)
    {
        using var user = await system.NewUserAsync();
        var error = (await CallAsync(call, user))["error"];
        AssertError(error, name, status, code);
        Assert.Equal("invalid_request_error", (string?)error!["type"]);
        Assert.Equal(call == "tools" ? "tools" : "model", (string?)error["param"]);
        Assert.Matches("^[0-9a-f]{32}$", (string?)error["requestId"]);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Key_ThatIsNone_IsAnAuthenticationErrorInNode()
    {
        using var client = system.CreateClient();
        var answer = await NodeClient.CallAsync("complete", client.BaseAddress!, "nonsense");
        AssertError(answer["error"], "AuthenticationError", 401, "invalid_api_key");
    }

    [Theory]
    [InlineData("complete")]
    [InlineData("stream")]
    public async Task Tokens_ThatAreSpent_AreAnErrorInNode(string call)
    {
        using var user = await system.NewUserAsync();
        using var spent = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 3950 });
        Assert.Equal(HttpStatusCode.OK, spent.StatusCode);
        AssertError((await CallAsync(call, user))["error"], "APIError", 402, "insufficient_quota");
    }

    internal static void AssertError(JsonNode? error, string name, int? status, string code)
    {
        Assert.NotNull(error);
        Assert.Equal(
            (name, status, code), ((string?)error["name"], (int?)error["status"], (string?)error["code"]));
        Assert.False(string.IsNullOrWhiteSpace((string?)error["message"]), "An error says what is wrong.");
    }

    private static Task<JsonNode> CallAsync(string call, SignedInUser user) =>
        NodeClient.CallAsync(call, user.Client.BaseAddress!, user.Tokens.Access);
}
