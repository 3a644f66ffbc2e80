using Aspire.Dashboard.Telemetry;

namespace Aspire.Dashboard.Resources;

/// <summary>
/// The last lines of each process's output, all within <see cref="Limits.ConsoleBytes"/>: who has written most, loses.
/// Not for several threads.
/// </summary>
internal sealed class ConsoleStore
{
    /// <summary>What a line takes of memory besides its text, in bytes.</summary>
    private const int BytesOfEntry = 80;

    private readonly Dictionary<string, Ring<ConsoleEntry>> _processes = [];
    private long _bytes;

    /// <summary>The lines of a process that are kept, the oldest first.</summary>
    public IReadOnlyList<ConsoleEntry> Lines(string process) =>
        _processes.TryGetValue(process, out var lines) ? lines.ToArray() : [];

    /// <summary>Keeps a line.</summary>
    public void Add(string process, ConsoleEntry entry)
    {
        if (!_processes.TryGetValue(process, out var lines))
        {
            lines = new(
                Limits.ConsoleLines, Limits.ConsoleBytes, line => BytesOfEntry + (sizeof(char) * line.Text.Length));
            _processes.Add(process, lines);
        }

        Change(lines, () => lines.Add(entry));
        while (_bytes > Limits.ConsoleBytes)
        {
            var largest = _processes.Values.MaxBy(other => other.Bytes)!;
            Change(largest, largest.RemoveOldest);
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        _processes.Clear();
        _bytes = 0;
    }

    private void Change(Ring<ConsoleEntry> lines, Action change)
    {
        _bytes -= lines.Bytes;
        change();
        _bytes += lines.Bytes;
    }
}
