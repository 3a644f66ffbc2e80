using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>A model that does what a test says.</summary>
/// <param name="reply">Takes the token that ends the model's time; gives the reply.</param>
internal sealed class ScriptedModel(Func<CancellationToken, Task<string>> reply) : IChatClient
{
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the model is asked.</summary>
    public Task Asked => _asked.Task;

    public static ScriptedModel Answers(string text) => new(_ => Task.FromResult(text));

    public static ScriptedModel Fails() => new(_ => throw new HttpRequestException("The model is down."));

    public static ScriptedModel NeverAnswers() => new(async cancellationToken =>
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return "never";
    });

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        _asked.TrySetResult();
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, await reply(cancellationToken)));
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
        // It holds nothing.
    }
}
