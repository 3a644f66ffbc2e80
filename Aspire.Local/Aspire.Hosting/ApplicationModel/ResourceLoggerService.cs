using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The output of the resources' processes: the last lines, and each new one.</summary>
public class ResourceLoggerService
{
    /// <summary>How many lines of a resource are kept.</summary>
    private const int MaxLines = 1_000;

    /// <summary>How much of a line is kept, in characters.</summary>
    internal const int MaxLineLength = 16 * 1024;

    /// <summary>How much waits for a reader that does not keep up, in characters; then the oldest lines go.</summary>
    private const int MaxWaiting = 4_000_000;

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
            var line = OutputOf(resourceName).Add(
                replicaId, content.Length <= MaxLineLength ? content : content[..MaxLineLength], isError);
            foreach (var watcher in _watchers.Where(watcher => watcher.Wants(resourceName)))
            {
                watcher.Tell(line);
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
            soFar = [.. _outputs.Where(o => watcher.Wants(o.Key)).SelectMany(o => o.Value.Lines)];
            _watchers.Add(watcher);
        }

        try
        {
            if (soFar.Count > 0)
            {
                yield return [.. soFar.OrderBy(line => line.Time)];
            }

            await foreach (var line in watcher.ReadAsync(cancellationToken))
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
        private readonly Channel<ReplicaLine> _news = Channel.CreateUnbounded<ReplicaLine>();
        private int _waiting;

        /// <summary>A reader that does not keep up loses the oldest lines, not the AppHost's memory.</summary>
        public void Tell(ReplicaLine line)
        {
            var waiting = Interlocked.Add(ref _waiting, LengthOf(line));
            _news.Writer.TryWrite(line);
            while (waiting > MaxWaiting && _news.Reader.TryRead(out var oldest))
            {
                waiting = Interlocked.Add(ref _waiting, -LengthOf(oldest));
            }
        }

        public async IAsyncEnumerable<ReplicaLine> ReadAsync(
            [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var line in _news.Reader.ReadAllAsync(cancellationToken))
            {
                Interlocked.Add(ref _waiting, -LengthOf(line));
                yield return line;
            }
        }

        public bool Wants(string other) =>
            resourceName is null || resourceName.Equals(other, StringComparison.OrdinalIgnoreCase);

        /// <summary>An empty line takes memory too.</summary>
        private static int LengthOf(ReplicaLine line) => 64 + line.Line.Content.Length;
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
