using System.Diagnostics;

namespace Aspire.Hosting.Orchestration;

/// <summary>A process of the AppHost's, with its output line by line.</summary>
internal sealed class ChildProcess : IDisposable
{
    private static readonly string? SetSid = OperatingSystem.IsWindows() ? null : Unix.Find("setsid");
    private static readonly string? SetPriv = OperatingSystem.IsWindows() ? null : Unix.Find("setpriv");

    /// <summary>
    /// How long the output is read after the end. A process that it has left behind may hold it open for ever.
    /// </summary>
    private static readonly TimeSpan OutputPatience = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly ProcessSpec _spec;

    private ChildProcess(Process process, ProcessSpec spec, Task ended)
    {
        _process = process;
        _spec = spec;
        Exited = WaitAsync(ended);
    }

    /// <summary>The exit code, when it has ended and its output is read.</summary>
    public Task<int> Exited { get; }

    /// <summary>The process id.</summary>
    public int Id => _process.Id;

    /// <summary>Starts a process.</summary>
    /// <param name="spec">How.</param>
    /// <param name="onLine">Takes each line of output; the flag says whether it came on standard error.</param>
    /// <exception cref="DistributedApplicationException">The program cannot be started.</exception>
    public static ChildProcess Start(ProcessSpec spec, Action<string, bool> onLine)
    {
        var process = new Process { StartInfo = StartInfo(spec), EnableRaisingEvents = true };
        process.OutputDataReceived += (_, e) => Pass(e.Data, error: false);
        process.ErrorDataReceived += (_, e) => Pass(e.Data, error: true);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        process.Exited += (_, _) => ended.TrySetResult();
        try
        {
            process.Start();
        }
        catch (Exception exception)
            when (exception is System.ComponentModel.Win32Exception or DirectoryNotFoundException)
        {
            process.Dispose();
            throw new DistributedApplicationException(
                $"'{spec.FileName}' cannot be started: {exception.Message}", exception);
        }

        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            process.StandardInput.Write(spec.StandardInput);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read that; its exit code and last lines say why.
        }

        return new ChildProcess(process, spec, ended.Task);

        void Pass(string? line, bool error)
        {
            if (line is not null)
            {
                onLine(line, error);
            }
        }
    }

    /// <summary>Asks it to end, and kills it with all it has started when it has not ended in time.</summary>
    /// <param name="hurry">Ends the patience earlier.</param>
    public async Task StopAsync(CancellationToken hurry = default)
    {
        if (!Exited.IsCompleted)
        {
            Unix.Signal(_process, _spec.StopSignal);
            await Task.WhenAny(Exited, Task.Delay(_spec.StopTimeout, hurry));
        }

        if (!Exited.IsCompleted)
        {
            _process.Kill(entireProcessTree: true);
            await Exited;
        }
    }

    public void Dispose() => _process.Dispose();

    private static ProcessStartInfo StartInfo(ProcessSpec spec)
    {
        // Looked for here, because behind setsid a program that is not there would seem to start and end.
        var program = Path.IsPathRooted(spec.FileName) && File.Exists(spec.FileName)
            ? spec.FileName
            : Unix.Find(spec.FileName);
        List<string> command =
        [
            program ?? throw new DistributedApplicationException(
                $"The program '{spec.FileName}' was not found: install it, or name it by its full path."),
            .. spec.Arguments,
        ];
        if (Unix.IsRoot && spec.UnprivilegedUser is { } user)
        {
            var setPriv = SetPriv
                ?? throw new DistributedApplicationException("'setpriv' is missing: apt-get install util-linux");
            command.InsertRange(
                0, [setPriv, $"--reuid={user}", $"--regid={Unix.GroupOf(user) ?? user}", "--clear-groups", "--"]);
        }

        if (SetSid is not null)
        {
            // A session of its own, so that Ctrl+C in the terminal reaches the AppHost alone,
            // which stops things in order.
            command.Insert(0, SetSid);
        }

        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = spec.WorkingDirectory ?? "",
        };
        foreach (var (name, value) in spec.Environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }

    private async Task<int> WaitAsync(Task ended)
    {
        await ended;
        await Task.WhenAny(_process.WaitForExitAsync(), Task.Delay(OutputPatience));
        if (SetSid is not null)
        {
            Unix.KillGroup(_process.Id); // Whatever it has left behind.
        }

        return _process.ExitCode;
    }
}
