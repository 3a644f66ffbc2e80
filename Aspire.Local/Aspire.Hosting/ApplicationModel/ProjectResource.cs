namespace Aspire.Hosting.ApplicationModel;

/// <summary>A .NET project that runs as a process, in one or more replicas.</summary>
/// <param name="name">The name.</param>
public class ProjectResource(string name)
    : Resource(name),
        IResourceWithEnvironment,
        IResourceWithArgs,
        IResourceWithServiceDiscovery,
        IResourceWithWaitSupport;

/// <summary>A program that runs as a process.</summary>
/// <param name="name">The name.</param>
/// <param name="command">The program: a path, or a name to find on the PATH.</param>
/// <param name="workingDirectory">The folder it runs in.</param>
public class ExecutableResource(string name, string command, string workingDirectory)
    : Resource(name), IResourceWithEnvironment, IResourceWithArgs, IResourceWithEndpoints, IResourceWithWaitSupport
{
    /// <summary>The program.</summary>
    public string Command { get; } = command;

    /// <summary>The folder it runs in.</summary>
    public string WorkingDirectory { get; } = workingDirectory;
}
