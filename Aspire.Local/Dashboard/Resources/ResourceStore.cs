using Aspire.Dashboard.Resources.Wire;

namespace Aspire.Dashboard.Resources;

/// <summary>What the AppHost has told: its resources, and the last lines that each has written.</summary>
public sealed class ResourceStore
{
    /// <summary>How long a line may be, in characters.</summary>
    private const int MaxLineLength = 8 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ResourceView> _resources = [];
    private readonly ConsoleStore _console = new();
    private long _version;
    private long _stateVersion;

    /// <summary>Grows with each change, also of the output.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>Grows with each change of a resource's state.</summary>
    public long StateVersion => Interlocked.Read(ref _stateVersion);

    /// <summary>The AppHost's name.</summary>
    public string Application { get; private set; } = "";

    /// <summary>Whether the AppHost is there.</summary>
    public bool IsConnected { get; private set; }

    /// <summary>All processes and resources without one, in the AppHost's order; parameters last.</summary>
    public IReadOnlyList<ResourceView> Resources()
    {
        lock (_lock)
        {
            return
            [
                .. _resources.Values.OrderBy(r => r.IsParameter).ThenBy(r => r.Order).ThenBy(r => r.Id.Length)
                    .ThenBy(r => r.Id, StringComparer.Ordinal),
            ];
        }
    }

    /// <summary>The last lines of a process.</summary>
    /// <param name="id">The process.</param>
    public IReadOnlyList<ConsoleEntry> Lines(string id)
    {
        lock (_lock)
        {
            return _console.Lines(id);
        }
    }

    /// <summary>Takes in what the AppHost tells.</summary>
    internal void Take(Update update)
    {
        lock (_lock)
        {
            if (update.Application.Length > 0)
            {
                // The first message of a connection tells everything from the start.
                (Application, IsConnected) = (update.Application, true);
                _resources.Clear();
                _console.Clear();
                _stateVersion++;
            }

            foreach (var replica in update.Replicas)
            {
                _resources[replica.Id] = new ResourceView(replica);
                _stateVersion++;
            }

            foreach (var line in update.Lines)
            {
                var text = line.Text.Length <= MaxLineLength ? line.Text : line.Text[..MaxLineLength] + "…";
                var time = DateTime.UnixEpoch.AddMilliseconds(line.TimeUnixMs);
                _console.Add(line.Replica, new(line.Number, text, line.IsError, time));
            }
        }

        Interlocked.Increment(ref _version);
    }

    /// <summary>Notes that the AppHost does not answer. What it told is shown on.</summary>
    internal void Disconnect()
    {
        IsConnected = false;
        Interlocked.Increment(ref _version);
    }
}
