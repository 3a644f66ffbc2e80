using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The output of the resources' processes: the last lines, and each new one.</summary>
public class ResourceLoggerService
{
    private const int MaxLines = 1_000;

    private readonly ConcurrentDictionary<string, Output> _outputs = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The lines of a resource so far, at most 1,000, and then each new one.</summary>
    /// <param name="resource">The resource, all its replicas together.</param>
    /// <returns>The lines, in batches. Ends when its reader does.</returns>
    public IAsyncEnumerable<IReadOnlyList<LogLine>> WatchAsync(IResource resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return WatchAsync(resource.Name);
    }

    /// <summary>The lines of a resource so far, at most 1,000, and then each new one.</summary>
    /// <param name="resourceName">The resource's name, all its replicas together.</param>
    /// <returns>The lines, in batches. Ends when its reader does.</returns>
    public IAsyncEnumerable<IReadOnlyList<LogLine>> WatchAsync(string resourceName) => Of(resourceName).WatchAsync();

    /// <summary>Takes a line of output in.</summary>
    internal void Add(string resourceName, string content, bool isError) => Of(resourceName).Add(content, isError);

    private Output Of(string resourceName) => _outputs.GetOrAdd(resourceName, _ => new Output());

    private sealed class Output
    {
        private readonly Lock _lock = new();
        private readonly Queue<LogLine> _lines = new();
        private readonly List<Channel<LogLine>> _watchers = [];
        private int _count;

        public void Add(string content, bool isError)
        {
            lock (_lock)
            {
                var line = new LogLine(++_count, content, isError);
                _lines.Enqueue(line);
                if (_lines.Count > MaxLines)
                {
                    _lines.Dequeue();
                }

                _watchers.ForEach(watcher => watcher.Writer.TryWrite(line));
            }
        }

        public async IAsyncEnumerable<IReadOnlyList<LogLine>> WatchAsync(
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            // A reader that does not keep up loses the oldest lines, not the AppHost's memory.
            var channel = Channel.CreateBounded<LogLine>(
                new BoundedChannelOptions(MaxLines) { FullMode = BoundedChannelFullMode.DropOldest });
            IReadOnlyList<LogLine> soFar;
            lock (_lock)
            {
                soFar = [.. _lines];
                _watchers.Add(channel);
            }

            try
            {
                if (soFar.Count > 0)
                {
                    yield return soFar;
                }

                await foreach (var line in channel.Reader.ReadAllAsync(cancellationToken))
                {
                    yield return [line];
                }
            }
            finally
            {
                lock (_lock)
                {
                    _watchers.Remove(channel);
                }
            }
        }
    }
}

/// <summary>A line of output.</summary>
/// <param name="LineNumber">Its number, from 1.</param>
/// <param name="Content">What it says.</param>
/// <param name="IsErrorMessage">Whether it came on standard error.</param>
public readonly record struct LogLine(int LineNumber, string Content, bool IsErrorMessage);
