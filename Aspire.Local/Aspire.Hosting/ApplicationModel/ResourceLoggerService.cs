using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The output of the resources' processes: the last lines, and each new one.</summary>
public class ResourceLoggerService
{
    private const int MaxLines = 1_000;

    private readonly ConcurrentDictionary<string, Output> _outputs = new(StringComparer.OrdinalIgnoreCase);
    private readonly Output _all = new();

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
    public async IAsyncEnumerable<IReadOnlyList<LogLine>> WatchAsync(string resourceName)
    {
        await foreach (var lines in Of(resourceName).WatchAsync())
        {
            yield return [.. lines.Select(line => line.Line)];
        }
    }

    /// <summary>The last lines of all resources together, at most 1,000, and then each new one.</summary>
    /// <param name="cancellationToken">Ends the watch.</param>
    internal IAsyncEnumerable<IReadOnlyList<ReplicaLine>> WatchAllAsync(CancellationToken cancellationToken) =>
        _all.WatchAsync(cancellationToken);

    /// <summary>Takes a line of output in.</summary>
    internal void Add(string resourceName, string replicaId, string content, bool isError)
    {
        var line = Of(resourceName).Add(replicaId, content, isError);
        _all.Add(line);
    }

    private Output Of(string resourceName) => _outputs.GetOrAdd(resourceName, _ => new Output());

    private sealed class Output
    {
        private readonly Lock _lock = new();
        private readonly Queue<ReplicaLine> _lines = new();
        private readonly List<Channel<ReplicaLine>> _watchers = [];
        private int _count;

        public ReplicaLine Add(string replicaId, string content, bool isError)
        {
            lock (_lock)
            {
                var line = new ReplicaLine(replicaId, new LogLine(++_count, content, isError), DateTime.UtcNow);
                Keep(line);
                return line;
            }
        }

        public void Add(ReplicaLine line)
        {
            lock (_lock)
            {
                Keep(line);
            }
        }

        public async IAsyncEnumerable<IReadOnlyList<ReplicaLine>> WatchAsync(
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            // A reader that does not keep up loses the oldest lines, not the AppHost's memory.
            var channel = Channel.CreateBounded<ReplicaLine>(
                new BoundedChannelOptions(MaxLines) { FullMode = BoundedChannelFullMode.DropOldest });
            IReadOnlyList<ReplicaLine> soFar;
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

        private void Keep(ReplicaLine line)
        {
            _lines.Enqueue(line);
            if (_lines.Count > MaxLines)
            {
                _lines.Dequeue();
            }

            _watchers.ForEach(watcher => watcher.Writer.TryWrite(line));
        }
    }
}

/// <summary>A line of output of one replica.</summary>
/// <param name="ReplicaId">The replica's id.</param>
/// <param name="Line">The line, with its number among those of its resource.</param>
/// <param name="Time">When it came, in UTC.</param>
internal sealed record ReplicaLine(string ReplicaId, LogLine Line, DateTime Time);

/// <summary>A line of output.</summary>
/// <param name="LineNumber">Its number, from 1.</param>
/// <param name="Content">What it says.</param>
/// <param name="IsErrorMessage">Whether it came on standard error.</param>
public readonly record struct LogLine(int LineNumber, string Content, bool IsErrorMessage);
