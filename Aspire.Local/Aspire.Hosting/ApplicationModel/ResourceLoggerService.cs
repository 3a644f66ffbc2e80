using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The output of the resources' processes: the last lines, and each new one.</summary>
public class ResourceLoggerService
{
    /// <summary>How many lines of a resource are kept.</summary>
    private const int MaxLines = 1_000;

    /// <summary>How many lines wait for a reader that does not keep up; then the oldest go.</summary>
    private const int MaxWaiting = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Output> _outputs = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Watcher> _watchers = [];

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
    public IAsyncEnumerable<IReadOnlyList<LogLine>> WatchAsync(string resourceName) => ReadLinesAsync(resourceName);

    /// <summary>The lines of all resources so far, at most 1,000 of each, and then each new one.</summary>
    /// <param name="cancellationToken">Ends the watch.</param>
    internal IAsyncEnumerable<IReadOnlyList<ReplicaLine>> WatchAllAsync(CancellationToken cancellationToken) =>
        ReadAsync(resourceName: null, cancellationToken);

    /// <summary>Takes a line of output in.</summary>
    internal void Add(string resourceName, string replicaId, string content, bool isError)
    {
        lock (_lock)
        {
            var line = OutputOf(resourceName).Add(replicaId, content, isError);
            foreach (var watcher in _watchers.Where(watcher => watcher.Wants(resourceName)))
            {
                watcher.News.Writer.TryWrite(line);
            }
        }
    }

    private async IAsyncEnumerable<IReadOnlyList<LogLine>> ReadLinesAsync(
        string resourceName, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var lines in ReadAsync(resourceName, cancellationToken))
        {
            yield return [.. lines.Select(line => line.Line)];
        }
    }

    private async IAsyncEnumerable<IReadOnlyList<ReplicaLine>> ReadAsync(
        string? resourceName, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var watcher = new Watcher(resourceName);
        IReadOnlyList<ReplicaLine> soFar;
        lock (_lock)
        {
            soFar = [.. _outputs.Where(o => watcher.Wants(o.Key)).SelectMany(o => o.Value.Lines).OrderBy(l => l.Time)];
            _watchers.Add(watcher);
        }

        try
        {
            if (soFar.Count > 0)
            {
                yield return soFar;
            }

            await foreach (var line in watcher.News.Reader.ReadAllAsync(cancellationToken))
            {
                yield return [line];
            }
        }
        finally
        {
            lock (_lock)
            {
                _watchers.Remove(watcher);
            }
        }
    }

    private Output OutputOf(string resourceName)
    {
        if (!_outputs.TryGetValue(resourceName, out var output))
        {
            output = new Output();
            _outputs.Add(resourceName, output);
        }

        return output;
    }

    /// <summary>A resource's last lines.</summary>
    private sealed class Output
    {
        private readonly Queue<ReplicaLine> _lines = new();
        private int _count;

        public IEnumerable<ReplicaLine> Lines => _lines;

        public ReplicaLine Add(string replicaId, string content, bool isError)
        {
            var line = new ReplicaLine(replicaId, new LogLine(++_count, content, isError), DateTime.UtcNow);
            _lines.Enqueue(line);
            if (_lines.Count > MaxLines)
            {
                _lines.Dequeue();
            }

            return line;
        }
    }

    /// <summary>Who reads the lines of a resource; of all when there is no name.</summary>
    private sealed class Watcher(string? resourceName)
    {
        // A reader that does not keep up loses the oldest lines, not the AppHost's memory.
        public Channel<ReplicaLine> News { get; } = Channel.CreateBounded<ReplicaLine>(
            new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest });

        public bool Wants(string other) =>
            resourceName is null || resourceName.Equals(other, StringComparison.OrdinalIgnoreCase);
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
