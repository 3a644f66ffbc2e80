using System.Diagnostics;
using System.Globalization;

namespace Aspire.Hosting.Orchestration;

/// <summary>A process of the AppHost's, with its output line by line.</summary>
internal sealed class ChildProcess : IDisposable
{
    private static readonly string? SetSid = OperatingSystem.IsWindows() ? null : Unix.Find("setsid");
    private static readonly string? SetPriv = OperatingSystem.IsWindows() ? null : Unix.Find("setpriv");

    private readonly Process _process;
    private readonly ProcessSpec _spec;

    private ChildProcess(Process process, ProcessSpec spec)
    {
        _process = process;
        _spec = spec;
        Exited = WaitAsync();
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
        var process = new Process { StartInfo = StartInfo(spec) };
        process.OutputDataReceived += (_, e) => Pass(e.Data, error: false);
        process.ErrorDataReceived += (_, e) => Pass(e.Data, error: true);
        try
        {
            process.Start();
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or DirectoryNotFoundException)
        {
            process.Dispose();
            throw new DistributedApplicationException($"'{spec.FileName}' cannot be started: {exception.Message}", exception);
        }

        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Write(spec.StandardInput);
        process.StandardInput.Close();
        return new ChildProcess(process, spec);

        void Pass(string? line, bool error)
        {
            if (line is not null)
            {
                onLine(line, error);
            }
        }
    }

    /// <summary>Asks it to end, and kills it when it has not ended in time.</summary>
    public async Task StopAsync()
    {
        if (!Exited.IsCompleted)
        {
            Unix.Signal(_process, _spec.StopSignal);
            await Task.WhenAny(Exited, Task.Delay(_spec.StopTimeout));
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
        var program = Path.IsPathRooted(spec.FileName) && File.Exists(spec.FileName) ? spec.FileName : Unix.Find(spec.FileName);
        List<string> command =
        [
            program ?? throw new DistributedApplicationException(
                $"The program '{spec.FileName}' was not found: install it, or name it by its full path."),
            .. spec.Arguments,
        ];
        if (Unix.IsRoot && spec.UnprivilegedUser is { } user)
        {
            command.InsertRange(0,
                [SetPriv ?? throw new DistributedApplicationException("'setpriv' is missing: apt-get install util-linux"),
                $"--reuid={user}", $"--regid={user}", "--clear-groups", "--"]);
        }

        if (SetSid is not null)
        {
            // A session of its own, so that Ctrl+C in the terminal reaches the AppHost alone, which stops things in order.
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

    private async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public override string ToString() => _process.Id.ToString(CultureInfo.InvariantCulture);
}
