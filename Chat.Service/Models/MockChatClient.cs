using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>A model without a model: the same answer to the same message.</summary>
/// <param name="delay">How long it takes.</param>
internal sealed class MockChatClient(TimeSpan delay = default) : IChatClient
{
    /// <summary>The model's name.</summary>
    public const string ModelId = "mock";

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await Task.Delay(delay, cancellationToken);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, Reply(messages)))
        {
            ModelId = ModelId,
            FinishReason = ChatFinishReason.Stop,
        };
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await Task.Delay(delay, cancellationToken);
        foreach (var word in Reply(messages).Split(' ').Select((word, n) => n == 0 ? word : ' ' + word))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return new ChatResponseUpdate(ChatRole.Assistant, word) { ModelId = ModelId };
        }

        yield return new ChatResponseUpdate { ModelId = ModelId, FinishReason = ChatFinishReason.Stop };
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
        // It holds nothing.
    }

    private static string Reply(IEnumerable<ChatMessage> messages) =>
        $"AI Response to: {messages.LastOrDefault(message => message.Role == ChatRole.User)?.Text}";
}
