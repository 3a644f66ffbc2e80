namespace Aspire.Hosting.ApplicationModel;

/// <summary>Adds environment variables when a process of the resource is about to start.</summary>
/// <param name="callback">Adds them.</param>
public class EnvironmentCallbackAnnotation(Func<EnvironmentCallbackContext, Task> callback) : IResourceAnnotation
{
    /// <summary>Adds them.</summary>
    public Func<EnvironmentCallbackContext, Task> Callback { get; } = callback;
}

/// <summary>The environment of a process that is about to start.</summary>
/// <param name="executionContext">Whether the application runs or is published.</param>
/// <param name="environmentVariables">The variables so far: strings and value providers.</param>
/// <param name="cancellationToken">Ends the start.</param>
public class EnvironmentCallbackContext(
    DistributedApplicationExecutionContext executionContext,
    Dictionary<string, object>? environmentVariables = null,
    CancellationToken cancellationToken = default)
{
    /// <summary>Whether the application runs or is published.</summary>
    public DistributedApplicationExecutionContext ExecutionContext { get; } = executionContext;

    /// <summary>The variables so far: strings and value providers.</summary>
    public Dictionary<string, object> EnvironmentVariables { get; } = environmentVariables ?? [];

    /// <summary>Ends the start.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;
}

/// <summary>Adds command-line arguments when a process of the resource is about to start.</summary>
/// <param name="callback">Adds them.</param>
public class CommandLineArgsCallbackAnnotation(Func<CommandLineArgsCallbackContext, Task> callback)
    : IResourceAnnotation
{
    /// <summary>Adds them.</summary>
    public Func<CommandLineArgsCallbackContext, Task> Callback { get; } = callback;
}

/// <summary>The arguments of a process that is about to start.</summary>
/// <param name="args">The arguments so far: strings and value providers.</param>
/// <param name="cancellationToken">Ends the start.</param>
public sealed class CommandLineArgsCallbackContext(IList<object> args, CancellationToken cancellationToken = default)
{
    /// <summary>The arguments so far: strings and value providers.</summary>
    public IList<object> Args { get; } = args;

    /// <summary>Whether the application runs or is published.</summary>
    public DistributedApplicationExecutionContext ExecutionContext { get; init; } =
        new(DistributedApplicationOperation.Run);

    /// <summary>Ends the start.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;
}

/// <summary>How many processes of the resource run.</summary>
/// <param name="replicas">The number.</param>
public sealed class ReplicaAnnotation(int replicas = 1) : IResourceAnnotation
{
    /// <summary>The number.</summary>
    public int Replicas { get; } = replicas;
}

/// <summary>What a resource waits for before it starts.</summary>
/// <param name="resource">The other resource.</param>
/// <param name="waitType">For what of it.</param>
/// <param name="exitCode">The exit code expected, when it waits for completion.</param>
public sealed class WaitAnnotation(IResource resource, WaitType waitType, int exitCode = 0) : IResourceAnnotation
{
    /// <summary>The other resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>For what of it.</summary>
    public WaitType WaitType { get; } = waitType;

    /// <summary>The exit code expected, when it waits for completion.</summary>
    public int ExitCode { get; } = exitCode;
}

/// <summary>What to wait for.</summary>
public enum WaitType
{
    /// <summary>That it runs and is healthy.</summary>
    WaitUntilHealthy,

    /// <summary>That it has ended.</summary>
    WaitForCompletion,
}

/// <summary>A resource that starts only when it is told to.</summary>
public sealed class ExplicitStartupAnnotation : IResourceAnnotation;

/// <summary>A URL shown for a resource.</summary>
public sealed class ResourceUrlAnnotation : IResourceAnnotation
{
    /// <summary>The URL.</summary>
    public required string Url { get; set; }

    /// <summary>The text shown in its place.</summary>
    public string? DisplayText { get; set; }

    /// <summary>The endpoint that it belongs to.</summary>
    public EndpointReference? Endpoint { get; init; }

    /// <summary>Where it is shown.</summary>
    public UrlDisplayLocation DisplayLocation { get; set; }
}

/// <summary>Where a URL is shown.</summary>
public enum UrlDisplayLocation
{
    /// <summary>In the list of resources and in the resource's details.</summary>
    SummaryAndDetails,

    /// <summary>In the resource's details.</summary>
    DetailsOnly,
}

/// <summary>That one resource uses another. It is stopped before what it uses.</summary>
/// <param name="resource">The other resource.</param>
/// <param name="type">How it is used: Reference, WaitFor.</param>
public sealed class ResourceRelationshipAnnotation(IResource resource, string type) : IResourceAnnotation
{
    /// <summary>The other resource.</summary>
    public IResource Resource { get; } = resource;

    /// <summary>How it is used.</summary>
    public string Type { get; } = type;
}
