using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Orchestration;

/// <summary>How a process is started and ended.</summary>
/// <param name="FileName">The program: a path, or a name to find on the PATH.</param>
internal sealed record ProcessSpec(string FileName)
{
    /// <summary>Its arguments. They are visible to other users of the machine: no secrets here.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The folder it runs in.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Variables besides the AppHost's own.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>What it reads from its standard input, which is the way for secrets.</summary>
    public string? StandardInput { get; init; }

    /// <summary>The user it runs as when the AppHost runs as root; the AppHost's own when null.</summary>
    public string? UnprivilegedUser { get; init; }

    /// <summary>The signal that asks it to end.</summary>
    public int StopSignal { get; init; } = Unix.SigTerm;

    /// <summary>How long it may take to end before it is killed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(8);
}

/// <summary>A replica about to start.</summary>
/// <param name="Resource">The resource.</param>
/// <param name="Replica">Which replica, from 0.</param>
/// <param name="Folders">The AppHost's folders.</param>
/// <param name="Processes">Starts what has to run first.</param>
/// <param name="Logger">The AppHost's own log.</param>
internal sealed record ProcessContext(
    IResource Resource, int Replica, AppHostFolders Folders, ProcessStarter Processes, ILogger Logger);

/// <summary>Describes the process of a resource, when it is about to start: makes folders and files it needs.</summary>
/// <param name="Describe">Describes it.</param>
internal sealed record ProcessAnnotation(Func<ProcessContext, CancellationToken, Task<ProcessSpec>> Describe)
    : IResourceAnnotation;

/// <summary>Brings a resource that has no process of its own to life, such as a database in its server.</summary>
/// <param name="Provision">Does it. The resource's parent runs and is healthy.</param>
internal sealed record ProvisionAnnotation(Func<CancellationToken, Task> Provision) : IResourceAnnotation;

/// <summary>Asks one replica how it is. Throws, or returns false, when it is not well.</summary>
/// <param name="Probe">Asks replica n.</param>
internal sealed record HealthProbeAnnotation(Func<int, CancellationToken, Task<bool>> Probe) : IResourceAnnotation;

/// <summary>An application about to start.</summary>
/// <param name="Folders">The AppHost's folders.</param>
/// <param name="Processes">Starts what has to run first.</param>
/// <param name="Logger">The AppHost's own log.</param>
internal sealed record RequirementContext(AppHostFolders Folders, ProcessStarter Processes, ILogger Logger);

/// <summary>Something the machine must have. Seen to before anything starts.</summary>
/// <param name="Require">
/// Gets it, or throws a <see cref="DistributedApplicationException"/> that says what to do about it.
/// </param>
internal sealed record RequirementAnnotation(Func<RequirementContext, CancellationToken, Task> Require)
    : IResourceAnnotation;
