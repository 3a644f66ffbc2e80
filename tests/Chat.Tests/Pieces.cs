using Chat.Service.Models;

namespace Chat.Tests;

/// <summary>Keeps what a model says.</summary>
internal sealed class Pieces : IReplySink
{
    private readonly TaskCompletionSource _twoWords = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>All so far.</summary>
    public string Text { get; private set; } = "";

    /// <summary>Ends when two words have come.</summary>
    public Task TwoWords => _twoWords.Task;

    public void Began(Guid charge)
    {
        // Nobody waits for it.
    }

    public Task WriteAsync(string text, CancellationToken cancellationToken)
    {
        Text += text;
        if (Text.Contains(' ', StringComparison.Ordinal))
        {
            _twoWords.TrySetResult();
        }

        return Task.CompletedTask;
    }
}
