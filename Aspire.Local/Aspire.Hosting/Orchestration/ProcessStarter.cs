namespace Aspire.Hosting.Orchestration;

/// <summary>Starts processes that end with the AppHost, however it ends.</summary>
internal sealed class ProcessStarter(Watchdog watchdog)
{
    /// <summary>Starts a process.</summary>
    /// <param name="spec">How.</param>
    /// <param name="onLine">Takes each line of output; the flag says whether it came on standard error.</param>
    /// <exception cref="DistributedApplicationException">The program cannot be started.</exception>
    public ChildProcess Start(ProcessSpec spec, Action<string, bool> onLine)
    {
        var process = ChildProcess.Start(spec, onLine);
        watchdog.Watch(process.Id, spec.StopSignal);
        _ = ForgetAsync(process);
        return process;
    }

    private async Task ForgetAsync(ChildProcess process)
    {
        var id = process.Id;
        await process.Exited.ConfigureAwait(ConfigureAwaitOptions.None);
        watchdog.Forget(id);
    }
}
