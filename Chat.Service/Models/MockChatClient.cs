using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>A model without a model: the same answer to the same message, at once unless told otherwise.</summary>
/// <param name="script">What it does besides answering; nothing when null.</param>
/// <param name="takesDirectives">Whether messages may ask for more of that: <see cref="MockDirectives"/>.</param>
/// <param name="clock">The time; the system's when null.</param>
internal sealed class MockChatClient(
    MockScript? script = null, bool takesDirectives = false, TimeProvider? clock = null) : IChatClient
{
    /// <summary>The model's name.</summary>
    public const string ModelId = "mock";

    private const string Begin = "AI Response to: ";

    private static readonly ChatClientMetadata Metadata = new(providerName: ModelId, defaultModelId: ModelId);

    private readonly MockScript _script = script ?? new();

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var said = messages as IReadOnlyCollection<ChatMessage> ?? [.. messages];
        var message = said.LastOrDefault(message => message.Role == ChatRole.User)?.Text ?? "";
        var does = takesDirectives ? _script.With(message) : _script;
        if (does.Delay > TimeSpan.Zero)
        {
            await Task.Delay(does.Delay, clock ?? TimeProvider.System, cancellationToken);
        }

        var words = (Begin + message).Split(' ');
        for (var n = 0; ; n++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (does.Error == n)
            {
                throw new ModelException("The mock failed as it was told to.");
            }

            if (does.Stall == n)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }

            if (does.Cut == n)
            {
                yield break;
            }

            if (n == words.Length)
            {
                break;
            }

            yield return new ChatResponseUpdate(ChatRole.Assistant, n == 0 ? words[n] : ' ' + words[n])
            {
                ModelId = ModelId,
            };
        }

        yield return new ChatResponseUpdate
        {
            ModelId = ModelId,
            FinishReason = ChatFinishReason.Stop,
            Contents = [new UsageContent(Usage(said, Begin + message))],
        };
    }

    private static UsageDetails Usage(IEnumerable<ChatMessage> said, string answer) => new()
    {
        InputTokenCount = said.Sum(message => TokenCounter.Bytes.Count(message.Text)),
        OutputTokenCount = TokenCounter.Bytes.Count(answer),
    };

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? Metadata
        : serviceType.IsInstanceOfType(this) ? this : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        // It holds nothing.
    }
}
