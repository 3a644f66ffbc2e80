using Aspire.Dashboard.Resources.Wire;

namespace Aspire.Dashboard.Resources;

/// <summary>A process of a resource, or a resource that has none, as the AppHost last told of it.</summary>
public sealed record ResourceView
{
    internal ResourceView(Replica replica)
    {
        (Id, Resource, Kind) = (replica.Id, replica.Resource, replica.Kind);
        (State, Source, Order, HasProcess) = (replica.State, replica.Source, replica.Order, replica.HasProcess);
        Health = replica.Health.Length > 0 ? replica.Health : null;
        Started = replica.StartedUnixMs > 0 ? DateTime.UnixEpoch.AddMilliseconds(replica.StartedUnixMs) : null;
        Pid = replica.Pid > 0 ? replica.Pid : null;
        ExitCode = replica.HasExitCode ? replica.ExitCode : null;
        Urls = [.. replica.Urls.Select(u => new ResourceUrl(u.Url_, u.Text, u.Endpoint, u.IsInactive, u.IsDetail))];
        Environment = [.. replica.Environment.Select(v => new ResourceVariable(v.Name, v.Value, v.IsMasked))];
        Uses = [.. replica.Relationships.Select(r => (r.Resource, r.Type))];
    }

    /// <summary>The process's id: the resource's name when it is the only one.</summary>
    public string Id { get; }

    /// <summary>The resource's name.</summary>
    public string Resource { get; }

    /// <summary>What it is: Project, PostgresServer, Parameter …</summary>
    public string Kind { get; }

    /// <summary>Where it is in its life: Running, Waiting, Exited …</summary>
    public string State { get; }

    /// <summary>Healthy or Unhealthy; null before the first check and while it does not run.</summary>
    public string? Health { get; }

    /// <summary>When its process started, in UTC.</summary>
    public DateTime? Started { get; }

    /// <summary>The process's number in the system.</summary>
    public int? Pid { get; }

    /// <summary>With what its process ended.</summary>
    public int? ExitCode { get; }

    /// <summary>What is run: a project or a program.</summary>
    public string Source { get; }

    /// <summary>Its place in the AppHost.</summary>
    public int Order { get; }

    /// <summary>Whether it can be started and stopped.</summary>
    public bool HasProcess { get; }

    /// <summary>Where to reach it.</summary>
    public IReadOnlyList<ResourceUrl> Urls { get; }

    /// <summary>Its environment, as the AppHost sets it.</summary>
    public IReadOnlyList<ResourceVariable> Environment { get; }

    /// <summary>Which other resources it uses, and how.</summary>
    public IReadOnlyList<(string Resource, string Type)> Uses { get; }

    /// <summary>Whether it is a value and nothing that runs.</summary>
    public bool IsParameter => Kind == "Parameter";

    /// <summary>Whether it runs.</summary>
    public bool IsRunning => State == "Running";

    /// <summary>Whether it has a command just now: start, stop or restart.</summary>
    /// <param name="command">The command.</param>
    public bool Can(string command) => HasProcess && command switch
    {
        "start" => State is "NotStarted" or "Exited" or "Finished" or "FailedToStart",
        "stop" or "restart" => State is "Running" or "Starting",
        _ => false,
    };
}

/// <summary>Where to reach a resource.</summary>
/// <param name="Url">The address.</param>
/// <param name="Text">What to show in its place; empty for the address itself.</param>
/// <param name="Endpoint">The endpoint's name; empty when it belongs to none.</param>
/// <param name="IsInactive">Whether nothing answers there now.</param>
/// <param name="IsDetail">Whether it is not for lists.</param>
public sealed record ResourceUrl(string Url, string Text, string Endpoint, bool IsInactive, bool IsDetail);

/// <summary>A variable of a process's environment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value, without secrets.</param>
/// <param name="IsMasked">Whether there is a secret in it, which is not shown.</param>
public sealed record ResourceVariable(string Name, string Value, bool IsMasked);

/// <summary>A line that a process has written.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Text">What it says.</param>
/// <param name="IsError">Whether it came on standard error.</param>
/// <param name="Time">When, in UTC.</param>
public sealed record ConsoleEntry(int Number, string Text, bool IsError, DateTime Time);
