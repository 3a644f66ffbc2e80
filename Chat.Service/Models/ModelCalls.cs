using System.Text;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

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

/// <summary>
/// Asks models, always piece by piece: of an answer in one piece nobody could tell whether it is on its way.
/// </summary>
internal static class ModelCalls
{
    /// <summary>Asks a model.</summary>
    /// <param name="prompt">The question.</param>
    /// <param name="sink">Takes the pieces; null when only the whole is of use.</param>
    /// <param name="maxLength">The longest answer, in characters.</param>
    /// <param name="cancellationToken">Ends the wait; a client that does not honour it is left behind.</param>
    /// <returns>The whole answer.</returns>
    /// <exception cref="InvalidDataException">
    /// The answer is too long, or empty, or it was cut: no word came that it ended.
    /// </exception>
    public static async Task<Reply> AskAsync(
        this Prompt prompt, IReplySink? sink, int maxLength, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        ChatFinishReason? finishReason = null;
        UsageDetails? usage = null;
        var updates = prompt.Model.Client
            .GetStreamingResponseAsync(prompt.Messages, prompt.Options, cancellationToken)
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

                var update = updates.Current;
                finishReason = update.FinishReason ?? finishReason;
                foreach (var told in update.Contents.OfType<UsageContent>())
                {
                    usage ??= new();
                    usage.Add(told.Details);
                }

                if (update.Text is { Length: > 0 } piece)
                {
                    text.Append(piece);
                    Check(text.Length, maxLength);
                    await (sink?.WriteAsync(piece, cancellationToken) ?? Task.CompletedTask);
                }
            }
        }
        finally
        {
            await LeaveAsync(updates, next);
        }

        if (finishReason is null)
        {
            throw new InvalidDataException("The model's answer was cut: it did not say that it ended.");
        }

        var answer = text.ToString();
        CheckAnswered(answer);
        return new(answer, finishReason, usage);
    }

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

    /// <summary>Nobody pays for nothing: a filter took it, say, or the model used all of its tokens to think.</summary>
    private static void CheckAnswered(string text)
    {
        if (text.Length == 0)
        {
            throw new InvalidDataException("The model's answer is empty.");
        }
    }

    private static void Check(int length, int maxLength)
    {
        if (length > maxLength)
        {
            throw new InvalidDataException($"The model's answer has more than {maxLength} characters.");
        }
    }
}
