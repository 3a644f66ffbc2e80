using System.Diagnostics;

namespace Chat.Service;

/// <summary>
/// Carries out items in batches. An item that comes alone is sent at once; what gathers while calls are under way goes
/// with the next call, so that batches grow with the load and nothing waits for a timer.
/// </summary>
/// <typeparam name="TItem">What is to be done.</typeparam>
/// <typeparam name="TResult">What became of it.</typeparam>
/// <param name="send">Carries out a batch. Its results come in the order of the items.</param>
/// <param name="maxItems">How many items a batch has at most.</param>
/// <param name="maxCalls">How many batches are under way at most. More calls make smaller batches.</param>
/// <param name="isOfAnItem">
/// Whether a failure is that of one item, which then fails alone: the others are sent one by one.
/// </param>
internal sealed class Batcher<TItem, TResult>(
    Func<IReadOnlyList<TItem>, Task<IReadOnlyList<TResult>>> send,
    int maxItems,
    int maxCalls,
    Func<Exception, bool>? isOfAnItem = null)
{
    /// <summary>How many items may wait. Beyond it, waiting longer would help nobody.</summary>
    private const int MaxWaiting = 10_000;

    private readonly Queue<Waiting> _waiting = new();
    private int _calls;

    /// <summary>Carries out an item with others.</summary>
    /// <param name="item">The item.</param>
    /// <param name="unwanted">Takes the item out as long as it has not been sent.</param>
    /// <returns>What became of it.</returns>
    /// <exception cref="OperationCanceledException">It was taken out: nothing was done.</exception>
    /// <exception cref="TimeoutException">Too many items wait: nothing was done.</exception>
    public Task<TResult> AddAsync(TItem item, CancellationToken unwanted = default)
    {
        var waiting = new Waiting(
            item, Activity.Current, new(TaskCreationOptions.RunContinuationsAsynchronously), unwanted);
        lock (_waiting)
        {
            if (_waiting.Count >= MaxWaiting)
            {
                return Task.FromException<TResult>(new TimeoutException($"{MaxWaiting} items are waiting already."));
            }

            _waiting.Enqueue(waiting);
            if (_calls >= maxCalls)
            {
                return waiting.Result.Task;
            }

            _calls++;
        }

        _ = SendAllAsync();
        return waiting.Result.Task;
    }

    private async Task SendAllAsync()
    {
        while (Next() is { } batch)
        {
            Activity.Current = batch[0].Activity; // The call belongs to the trace of the first.
            await SendAsync(batch);
        }
    }

    private async Task SendAsync(List<Waiting> batch)
    {
        try
        {
            var results = await send(batch.ConvertAll(waiting => waiting.Item));
            foreach (var (waiting, result) in batch.Zip(results))
            {
                waiting.Result.TrySetResult(result);
            }
        }
        catch (Exception failed) when (batch.Count > 1 && isOfAnItem?.Invoke(failed) is true)
        {
            foreach (var waiting in batch)
            {
                await SendAsync([waiting]);
            }
        }
        catch (Exception failed)
        {
            batch.ForEach(waiting => waiting.Result.TrySetException(failed));
        }
    }

    /// <summary>The next batch; null when nothing waits, and the call is over.</summary>
    private List<Waiting>? Next()
    {
        lock (_waiting)
        {
            var batch = new List<Waiting>();
            while (batch.Count < maxItems && _waiting.TryDequeue(out var waiting))
            {
                if (waiting.Unwanted.IsCancellationRequested)
                {
                    waiting.Result.TrySetCanceled(waiting.Unwanted);
                }
                else
                {
                    batch.Add(waiting);
                }
            }

            if (batch.Count > 0)
            {
                return batch;
            }

            _calls--;
            return null;
        }
    }

    private sealed record Waiting(
        TItem Item, Activity? Activity, TaskCompletionSource<TResult> Result, CancellationToken Unwanted);
}
