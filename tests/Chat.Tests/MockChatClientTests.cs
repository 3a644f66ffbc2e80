using Chat.Service.Models;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>The default model can be relied on to the letter.</summary>
public sealed class MockChatClientTests
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Hello AI")]
    [InlineData(" two  blanks and a\nline ")]
    [InlineData("")]
    [InlineData("ünïcödé 🙂")]
    public async Task Response_ToTheSameMessage_IsTheSameAndStreamsAlike(string message)
    {
        using var model = new MockChatClient();
        var first = await model.GetResponseAsync(message, cancellationToken: CancellationToken).Soon();
        var second = await model.GetResponseAsync(message, cancellationToken: CancellationToken).Soon();
        var updates = await model.GetStreamingResponseAsync(message, cancellationToken: CancellationToken)
            .ToListAsync(CancellationToken).AsTask().Soon();

        Assert.Equal($"AI Response to: {message}", first.Text);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal(first.Text, string.Concat(updates.Select(update => update.Text)));
        Assert.True(updates.Count > 1, "A stream comes in pieces.");
    }

    [Fact]
    public async Task Response_ToAConversation_AnswersTheUsersLastMessage()
    {
        using var model = new MockChatClient();
        var response = await model.GetResponseAsync(
            [
                new(ChatRole.System, "be brief"), new(ChatRole.User, "one"),
                new(ChatRole.User, "two"), new(ChatRole.Assistant, "three"),
            ],
            cancellationToken: CancellationToken).Soon();
        Assert.Equal("AI Response to: two", response.Text);
    }

    [Fact]
    public async Task Response_WhenTheCallerHasGone_IsCancelled()
    {
        using var model = new MockChatClient();
        var gone = new CancellationToken(canceled: true);
        await Assert.ThrowsAsync<OperationCanceledException>(
            () => model.GetResponseAsync("hello", cancellationToken: gone).Soon());
        await Assert.ThrowsAsync<OperationCanceledException>(
            () => model.GetStreamingResponseAsync("hello", cancellationToken: gone)
                .ToListAsync(CancellationToken).AsTask().Soon());
    }
}
