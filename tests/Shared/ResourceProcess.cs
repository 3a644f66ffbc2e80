using System.Diagnostics;
using Aspire.Hosting.ApplicationModel;

namespace Tests.Shared;

/// <summary>The processes behind resources, for tests that kill or freeze them.</summary>
internal static class ResourceProcess
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    /// <summary>The process that a resource is now. One that has just died is waited for to be started again.</summary>
    /// <param name="app">The application.</param>
    /// <param name="name">The name of the resource, such as <c>chat-2</c>.</param>
    public static async Task<Process> ProcessAsync(this DistributedApplication app, string name)
    {
        Process? process = null;
        await app.ResourceNotifications.WaitForResourceAsync(
            name, e => (process = Find(e.Snapshot)) is not null, TestContext.Current.CancellationToken)
            .WaitAsync(Timeout, TestContext.Current.CancellationToken);
        return process!;
    }

    private static Process? Find(CustomResourceSnapshot snapshot)
    {
        var id = snapshot.Properties.SingleOrDefault(property => property.Name == "executable.pid")?.Value as int?;
        return snapshot.State?.Text == KnownResourceStates.Running
            ? Process.GetProcesses().SingleOrDefault(process => process.Id == id)
            : null;
    }
}

/// <summary>Signals, for which .NET has no call.</summary>
internal static class Signals
{
    /// <summary>Sends one.</summary>
    public static void Send(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process}"]);
        kill.WaitForExit();
    }
}
