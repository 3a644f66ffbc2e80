using System.Diagnostics;

namespace Aspire.Hosting.Orchestration;

/// <summary>
/// Ends the AppHost's processes when the AppHost is killed and cannot. A shell reads from a pipe which processes there
/// are; the pipe closes with the AppHost, however that ends, and the shell ends what is left: first politely, then not.
/// A process is known by its id and start time, since ids are used again.
/// </summary>
/// <remarks>On Windows, untested, a job object would do this; there processes outlive a killed AppHost.</remarks>
internal sealed class Watchdog : IDisposable
{
    /// <summary>
    /// Lines are "+ID SIGNAL", "-ID" and "=FOLDER", which is taken away at the end. Field 22 of /proc/ID/stat is the
    /// start time; behind the name in brackets it is the 20th. Where there is no /proc the id alone has to do.
    /// </summary>
    private const string Script = """
        started() {
            { read -r s < "/proc/$1/stat"; } 2>/dev/null || { echo 0; return; }
            set -- ${s##*) }
            shift 19
            echo "$1"
        }
        alive() { kill -0 "$1" 2>/dev/null && [ "$(started "$1")" = "$2" ]; }
        all="" folder=""
        while read -r id signal; do
            case $id in
                +*) id=${id#+}; all="$all $id:$(started "$id"):$signal" ;;
                =*) folder="${id#=}${signal:+ $signal}" ;;
                -*) left=""; for p in $all; do [ "${p%%:*}" = "${id#-}" ] || left="$left $p"; done; all=$left ;;
            esac
        done
        each() {
            for p in $all; do
                id=${p%%:*}
                rest=${p#*:}
                alive "$id" "${rest%%:*}" && "$1" "$id" "${rest#*:}"
            done
        }
        politely() { kill -"$2" "$1"; }
        firmly() { kill -KILL -"$1" 2>/dev/null || kill -KILL "$1"; }
        count() { n=$((n + 1)); }
        each politely
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do n=0; each count; [ $n = 0 ] && break; sleep 0.2; done
        each firmly
        [ -n "$folder" ] && rm -rf "$folder"
        """;

    private readonly Process? _shell;

    /// <summary>Starts the shell.</summary>
    public Watchdog()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // A session of its own, out of reach of Ctrl+C and of signals to the AppHost's group.
        string[] command = Unix.Find("setsid") is { } setsid
            ? [setsid, "/bin/sh", "-c", Script]
            : ["/bin/sh", "-c", Script];
        _shell = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        });
    }

    /// <summary>Takes a process in.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="signal">The signal that asks it to end.</param>
    public void Watch(int id, int signal) => Write($"+{id} {signal}");

    /// <summary>Lets a process go that has ended.</summary>
    /// <param name="id">Its id.</param>
    public void Forget(int id) => Write($"-{id}");

    /// <summary>Takes a folder away when the AppHost has ended.</summary>
    /// <param name="folder">The folder.</param>
    public void Remove(string folder) => Write($"={folder}");

    /// <summary>Ends the shell, and whatever is still there.</summary>
    public void Dispose()
    {
        if (_shell is null)
        {
            return;
        }

        _shell.StandardInput.Dispose();
        _shell.WaitForExit(TimeSpan.FromSeconds(5));
        _shell.Dispose();
    }

    private void Write(string line)
    {
        if (_shell is null)
        {
            return;
        }

        lock (_shell)
        {
            try
            {
                _shell.StandardInput.WriteLine(line);
                _shell.StandardInput.Flush();
            }
            catch (IOException)
            {
                // Somebody has killed it. What the AppHost itself stops is stopped all the same.
            }
        }
    }
}
