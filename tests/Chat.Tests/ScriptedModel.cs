using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Chat.Tests;

/// <summary>A model that does what a test says.</summary>
/// <param name="reply">Takes the token that ends the model's time; gives the reply.</param>
/// <param name="pieces">The same, in pieces; the last one says that it ends. Null: the reply is one piece.</param>
internal sealed class ScriptedModel(
    Func<CancellationToken, Task<string>> reply,
    Func<CancellationToken, IAsyncEnumerable<ChatResponseUpdate>>? pieces = null) : IChatClient
{
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the model is asked.</summary>
    public Task Asked => _asked.Task;

    /// <summary>Ends when the model is left, because it has ended or for another reason.</summary>
    public Task Left => _left.Task;

    /// <summary>What it was told when it was last asked.</summary>
    public IReadOnlyList<ChatMessage> Told { get; private set; } = [];

    /// <summary>How many pieces it has made.</summary>
    public int Made { get; private set; }

    public static ScriptedModel Answers(string text) => new(_ => Task.FromResult(text));

    public static ScriptedModel Fails() => new(_ => throw new HttpRequestException("The model is down."));

    public static ScriptedModel NeverAnswers() => new(async cancellationToken =>
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return "never";
    });

    /// <summary>Makes these pieces, then does what a test says, and ends only if that comes back.</summary>
    public static ScriptedModel Streams(Func<CancellationToken, Task>? then, params string[] pieces) =>
        new(_ => Task.FromResult(string.Concat(pieces)), cancelled => StreamAsync(pieces, then, cancelled));

    /// <summary>Makes pieces for ever.</summary>
    public static ScriptedModel NeverEnds(string piece) => new(
        _ => throw new NotSupportedException(),
        cancelled => StreamAsync(Enumerable.Repeat(piece, int.MaxValue), then: null, cancelled));

    /// <summary>Makes these pieces and ends without a word that it has ended.</summary>
    public static ScriptedModel IsCutAfter(params string[] pieces) => new(
        _ => throw new NotSupportedException(),
        _ => pieces.Select(piece => new ChatResponseUpdate(ChatRole.Assistant, piece)).ToAsyncEnumerable());

    /// <summary>Asks another model.</summary>
    public static ScriptedModel Asks(IChatClient other) => new(
        _ => throw new NotSupportedException(),
        cancelled => other.GetStreamingResponseAsync("hello", cancellationToken: cancelled));

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Models are asked for streams.");

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Told = [.. messages];
        _asked.TrySetResult();
        try
        {
            var made = pieces?.Invoke(cancellationToken)
                ?? StreamAsync([await reply(cancellationToken)], then: null, cancellationToken);
            await foreach (var piece in made)
            {
                Made++;
                yield return piece;
            }
        }
        finally
        {
            _left.TrySetResult();
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
        // It holds nothing.
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<string> pieces,
        Func<CancellationToken, Task>? then,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var piece in pieces)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            yield return new ChatResponseUpdate(ChatRole.Assistant, piece);
        }

        await (then?.Invoke(cancellationToken) ?? Task.CompletedTask);
        yield return new ChatResponseUpdate { FinishReason = ChatFinishReason.Stop };
    }
}
