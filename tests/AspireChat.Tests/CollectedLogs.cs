using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace AspireChat.Tests;

/// <summary>Keeps the last lines of all logs.</summary>
internal sealed class CollectedLogs : ILoggerProvider
{
    private const int MaxLines = 5_000;

    private readonly ConcurrentQueue<string> _lines = new();

    public ILogger CreateLogger(string categoryName) => new Collector(categoryName, _lines);

    public void Dispose()
    {
        // It holds nothing but memory.
    }

    public override string ToString() => string.Join('\n', _lines);

    private sealed class Collector(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lines.Enqueue($"{category}: {formatter(state, exception)}");
            while (lines.Count > MaxLines)
            {
                lines.TryDequeue(out _);
            }
        }
    }
}
