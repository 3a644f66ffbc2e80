using System.ClientModel;
using System.Net;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace AspireChat.Tests.OpenAi;

/// <summary>The official .NET package OpenAI works with the gateway as it does with OpenAI.</summary>
public sealed class DotNetClientTests(AppHostFixture system)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Completion_ByDotNet_IsAnsweredAndPaid()
    {
        using var user = await system.NewUserAsync();
        ChatCompletion completion = await CreateChat(user).CompleteChatAsync(
            [new SystemChatMessage("Be brief."), new UserChatMessage("Hello from .NET")],
            new ChatCompletionOptions { Temperature = 0.1f, MaxOutputTokenCount = 50, StopSequences = { "end" } },
            CancellationToken);
        Assert.Equal("AI Response to: Hello from .NET", completion.Content[0].Text);
        Assert.Equal((ChatFinishReason.Stop, "mock"), (completion.FinishReason, completion.Model));
        Assert.Equal(ChatMessageRole.Assistant, completion.Role);
        Assert.Equal(7 + 8, completion.Usage.TotalTokenCount); // 9 + 15 bytes in two messages, and 31: 4 to a token.
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Stream_ByDotNet_ComesInPiecesWithItsUsageAndIsPaid()
    {
        using var user = await system.NewUserAsync();
        var updates = await CreateChat(user)
            .CompleteChatStreamingAsync([new UserChatMessage("Hello from .NET")], cancellationToken: CancellationToken)
            .ToListAsync(CancellationToken);
        Assert.Equal(
            "AI Response to: Hello from .NET",
            string.Concat(updates.SelectMany(update => update.ContentUpdate).Select(part => part.Text)));
        Assert.True(updates.Count > 4, "A stream comes in pieces.");
        Assert.Equal(ChatMessageRole.Assistant, updates[0].Role);
        Assert.Equal(
            ChatFinishReason.Stop, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        Assert.Equal(4 + 8, updates[^1].Usage.TotalTokenCount);
        Assert.Single(updates.Select(update => update.CompletionId).Distinct());
        Assert.Equal(3900, await user.Client.BalanceAsync());
    }

    [Theory]
    [InlineData("[[error 2]]")]
    [InlineData("[[cut 2]]")]
    public async Task Stream_ThatFailsInTheMiddle_ThrowsInDotNetAndIsRefunded(string directive)
    {
        using var user = await system.NewUserAsync();
        var text = "";

        // It does not know the error in a stream for one, and would end as if all were well; it stumbles over [ERROR].
        await Assert.ThrowsAnyAsync<JsonException>(async () =>
        {
            await foreach (var update in CreateChat(user).CompleteChatStreamingAsync(
                [new UserChatMessage($"Hello {directive}")], cancellationToken: CancellationToken))
            {
                text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            }
        });
        Assert.Equal("AI Response", text);
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Models_ListedByDotNet_AreTheMock()
    {
        using var user = await system.NewUserAsync();
        var client = new OpenAIModelClient(new ApiKeyCredential(user.Tokens.Access), OptionsOf(user.Client));
        OpenAIModelCollection models = await client.GetModelsAsync(CancellationToken);
        Assert.Equal("mock", Assert.Single(models).Id);
        OpenAIModel model = await client.GetModelAsync("mock", CancellationToken);
        Assert.Equal("mock", model.Id);
        await AssertRefusedAsync(404, "model_not_found", () => client.GetModelAsync("nobody", CancellationToken));
    }

    [Fact]
    public async Task Key_ThatIsNone_Is401InDotNet()
    {
        using var client = system.CreateClient();
        var chat = new ChatClient("mock", new ApiKeyCredential("nonsense"), OptionsOf(client));
        await AssertRefusedAsync(
            401, "invalid_api_key", () => chat.CompleteChatAsync([new UserChatMessage("hi")], null, CancellationToken));
    }

    [Fact]
    public async Task Tokens_ThatAreSpent_Are402InDotNet()
    {
        using var user = await system.NewUserAsync();
        using var spent = await user.Client.PostAsync("/api/tokens/deduct", new { amount = 3950 });
        Assert.Equal(HttpStatusCode.OK, spent.StatusCode);
        var chat = CreateChat(user);
        await AssertRefusedAsync(
            402,
            "insufficient_quota",
            () => chat.CompleteChatAsync([new UserChatMessage("hi")], null, CancellationToken));
        await AssertRefusedAsync(402, "insufficient_quota", async () => await chat
            .CompleteChatStreamingAsync([new UserChatMessage("hi")], cancellationToken: CancellationToken)
            .ToListAsync(CancellationToken));
        Assert.Equal(50, await user.Client.BalanceAsync());
    }

    [Fact]
    public async Task Request_ThatDoesNotFit_Is400InDotNet()
    {
        using var user = await system.NewUserAsync();
        var options = new ChatCompletionOptions
        {
            Tools = { ChatTool.CreateFunctionTool("f", "does nothing", BinaryData.FromString("{}")) },
        };
        await AssertRefusedAsync(
            400,
            "unsupported_parameter",
            () => CreateChat(user).CompleteChatAsync([new UserChatMessage("hi")], options, CancellationToken));
        Assert.Equal(4000, await user.Client.BalanceAsync());
    }

    internal static OpenAIClientOptions OptionsOf(HttpClient client) =>
        new() { Endpoint = new(client.BaseAddress!, "/api/v1") };

    internal static ChatClient CreateChat(SignedInUser user) =>
        new("mock", new ApiKeyCredential(user.Tokens.Access), OptionsOf(user.Client));

    internal static async Task AssertRefusedAsync(int status, string code, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<ClientResultException>(call);
        Assert.Equal(status, refused.Status);
        Assert.Contains(code, refused.Message, StringComparison.Ordinal);
    }
}
