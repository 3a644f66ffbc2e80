using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>
/// Asks a model and keeps what it has said so far, always piece by piece: of an answer in one piece nobody could tell
/// whether it is on its way.
/// </summary>
/// <param name="prompt">The question.</param>
internal sealed class ReplyDraft(Prompt prompt)
{
    /// <summary>More tokens than any model takes or makes: such a figure is an error.</summary>
    private const long MaxTokens = 1_000_000_000;

    /// <summary>More than a token has on average in any language: a longer text has more tokens than it may.</summary>
    private const int CharactersPerToken = 8;

    private readonly long _mostCharacters = prompt.Model.Price.IsFlat || prompt.MaxOutputTokens is not { } tokens
        ? long.MaxValue
        : (long)tokens * CharactersPerToken;

    private readonly StringBuilder _text = new();
    private readonly long _askedAt = Stopwatch.GetTimestamp();
    private string? _answeredBy;
    private string? _finishReason;
    private UsageDetails? _usage;
    private TimeSpan? _firstPieceAfter;

    /// <summary>Gets whether the model has said anything.</summary>
    public bool HasBegun => _firstPieceAfter is not null;

    /// <summary>Gets whether the model waits for its reader, and not the other way round.</summary>
    public bool IsAtReader { get; private set; }

    /// <summary>Asks the model.</summary>
    /// <param name="sink">Takes the pieces; null when only the whole is of use.</param>
    /// <param name="maxLength">The longest answer, in characters.</param>
    /// <param name="cancellationToken">Ends the wait; a client that does not honour it is left behind.</param>
    /// <returns>The whole answer.</returns>
    /// <exception cref="InvalidDataException">
    /// The answer is too long, or empty, or it was cut: no word came that it ended.
    /// </exception>
    public async Task<Reply> AskAsync(IReplySink? sink, int maxLength, CancellationToken cancellationToken)
    {
        var updates = prompt.Model.Client
            .GetStreamingResponseAsync(prompt.Messages, prompt.ToOptions(), cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        var next = Task.FromResult(false);
        try
        {
            while (true)
            {
                next = updates.MoveNextAsync().AsTask();
                if (!await next.WaitAsync(cancellationToken))
                {
                    break;
                }

                if (Add(updates.Current, maxLength) is { Length: > 0 } piece)
                {
                    IsAtReader = true;
                    await (sink?.WriteAsync(piece, cancellationToken) ?? Task.CompletedTask);
                    IsAtReader = false;
                }

                if (_text.Length > _mostCharacters)
                {
                    // The endpoint does not keep to the cap. Nobody has held what it makes from here on.
                    _finishReason = ChatFinishReason.Length.Value;
                    break;
                }
            }
        }
        finally
        {
            await LeaveAsync(updates, next);
        }

        return _finishReason is null
            ? throw new InvalidDataException("The model's answer was cut: it did not say that it ended.")
            : _text.Length == 0
            // Nobody pays for nothing: a filter took it, say, or the model used all of its tokens to think.
            ? throw new InvalidDataException("The model's answer is empty.")
            : ToReply(_finishReason);
    }

    /// <summary>The answer as far as it has come, whose caller has left.</summary>
    public Reply Cancel() => ToReply(Reply.Cancelled);

    /// <summary>Ends an enumeration, at once or when a client that does not honour its token comes back.</summary>
    /// <param name="updates">The enumeration.</param>
    /// <param name="next">Its last step.</param>
    public static async Task LeaveAsync(IAsyncDisposable updates, Task next)
    {
        if (next.IsCompleted)
        {
            await updates.DisposeAsync();
            return;
        }

        _ = next.ContinueWith(
            async late =>
            {
                _ = late.Exception; // Nobody waits for it.
                await updates.DisposeAsync();
            },
            TaskScheduler.Default);
    }

    /// <returns>The text that has come.</returns>
    private string Add(ChatResponseUpdate update, int maxLength)
    {
        // The first name is the one in our configuration; what the endpoint calls itself may follow.
        _answeredBy ??= update.ModelId;
        _finishReason = update.FinishReason?.Value ?? _finishReason;
        foreach (var told in update.Contents.OfType<UsageContent>())
        {
            _usage = told.Details; // Some endpoints count up in every piece: the last one counts.
        }

        var piece = update.Text.Replace('\0', '\uFFFD'); // Postgres has no place for it.
        if (piece.Length > 0)
        {
            _firstPieceAfter ??= Stopwatch.GetElapsedTime(_askedAt);
            _text.Append(piece);
        }

        return _text.Length <= maxLength
            ? piece
            : throw new InvalidDataException($"The model's answer has more than {maxLength} characters.");
    }

    private Reply ToReply(string finishReason)
    {
        var text = _text.ToString();
        return new(
            text,
            _answeredBy ?? prompt.Model.Name,
            finishReason,
            UsageOf(text),
            _firstPieceAfter ?? default,
            Stopwatch.GetElapsedTime(_askedAt));
    }

    private ModelUsage UsageOf(string text)
    {
        var (input, output) = (Sane(_usage?.InputTokenCount), Sane(_usage?.OutputTokenCount));
        return new(
            input ?? prompt.Model.Tokens.Count(prompt.Messages),
            Math.Min(Sane(_usage?.CachedInputTokenCount) ?? 0, input ?? 0),
            output ?? prompt.Model.Tokens.Count(text),
            IsEstimated: input is null || output is null);
    }

    /// <summary>Neither a question nor an answer is empty: 0 tokens is no figure.</summary>
    private static long? Sane(long? reported) => reported is >= 1 and <= MaxTokens ? reported : null;
}

/// <summary>Where a reply goes while the model makes it.</summary>
internal interface IReplySink
{
    /// <summary>The credits are held and the model is asked.</summary>
    /// <param name="hold">The hold.</param>
    void Began(Guid hold);

    /// <summary>Takes the next piece. The model waits for it.</summary>
    /// <param name="text">The piece.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="Streaming.ClientGoneException">Nobody takes it.</exception>
    Task WriteAsync(string text, CancellationToken cancellationToken);
}
