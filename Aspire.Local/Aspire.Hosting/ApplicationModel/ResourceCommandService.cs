using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>Carries out commands on resources.</summary>
public class ResourceCommandService
{
    private static readonly Dictionary<string, Func<ReplicaRunner, Task>> Commands = new()
    {
        [KnownResourceCommands.StartCommand] = replica => replica.StartAsync(),
        [KnownResourceCommands.StopCommand] = replica => replica.StopAsync(),
        [KnownResourceCommands.RestartCommand] = async replica =>
        {
            await replica.StopAsync();
            await replica.StartAsync();
        },
    };

    private readonly RunningResources _resources;

    internal ResourceCommandService(RunningResources resources) => _resources = resources;

    /// <summary>Carries out a command on a resource, all its replicas, or on one replica.</summary>
    /// <param name="resourceId">The resource's name, or a replica's id.</param>
    /// <param name="commandName">One of <see cref="KnownResourceCommands"/>.</param>
    /// <param name="cancellationToken">Ends the wait, not the command.</param>
    /// <returns>Whether it was carried out, and why not.</returns>
    public async Task<ExecuteCommandResult> ExecuteCommandAsync(
        string resourceId, string commandName, CancellationToken cancellationToken = default)
    {
        var replicas = _resources.Find(resourceId);
        if (replicas.Count == 0)
        {
            return Failed($"Resource '{resourceId}' not found, or it has no process.");
        }

        if (!Commands.TryGetValue(commandName, out var command))
        {
            return Failed($"Command '{commandName}' not available for resource '{resourceId}'.");
        }

        await Task.WhenAll(replicas.Select(command)).WaitAsync(cancellationToken);
        return new ExecuteCommandResult { Success = true };
    }

    private static ExecuteCommandResult Failed(string message) => new() { Success = false, Message = message };
}

/// <summary>The commands that every process has.</summary>
public static class KnownResourceCommands
{
    /// <summary>Starts it.</summary>
    public static readonly string StartCommand = "start";

    /// <summary>Stops it. It stays stopped.</summary>
    public static readonly string StopCommand = "stop";

    /// <summary>Stops and starts it.</summary>
    public static readonly string RestartCommand = "restart";
}

/// <summary>What became of a command.</summary>
public sealed class ExecuteCommandResult
{
    /// <summary>Whether it was carried out.</summary>
    public required bool Success { get; init; }

    /// <summary>Why not.</summary>
    public string? Message { get; init; }
}
