using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace AppHost.Tests;

/// <summary>
/// The AppHost as a process of its own, as <c>dotnet run</c> starts it, with a home and a store of its own. It ends
/// with the test, and so does all that it has started.
/// </summary>
internal sealed partial class AppHostProcess : IAsyncDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    /// <summary>The AppHost's own output, in the configuration and framework that this test was built in.</summary>
    private static readonly string Assembly = Path.Combine(
        Projects.AppHost.ProjectPath, "bin",
        Path.GetRelativePath(Path.Combine(AppContext.BaseDirectory, "..", ".."), AppContext.BaseDirectory),
        "AppHost.dll");

    private readonly ConcurrentQueue<string> _output = new();
    private readonly TaskCompletionSource<Uri> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<int> _descendants = [];

    private AppHostProcess(Process process) => Process = process;

    /// <summary>The process.</summary>
    public Process Process { get; }

    /// <summary>All that it has written so far.</summary>
    public string Output => string.Join('\n', _output);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>Starts it.</summary>
    /// <param name="place">Its home and its data.</param>
    /// <param name="arguments">Its options.</param>
    /// <param name="shell">Commands for the shell that starts it, such as <c>umask 077</c>.</param>
    /// <param name="environment">More environment variables.</param>
    public static AppHostProcess Start(
        Place place, string[] arguments, string shell = "true", Dictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo("sh", ["-c", $"{shell}; exec dotnet \"$@\"", "sh", Assembly, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Projects.AppHost.ProjectPath,
        };
        foreach (var (name, value) in new Dictionary<string, string>(environment ?? [])
        {
            ["HOME"] = place.Home,
            ["TMPDIR"] = place.Scratch.FullName,
            ["DataPath"] = place.Data,
            ["DOTNET_ENVIRONMENT"] = "Development",
            ["ASPIRE_ALLOW_UNSECURED_TRANSPORT"] = "true",
            ["ASPNETCORE_URLS"] = "http://localhost:0",
            ["DcpPublisher__RandomizePorts"] = environment?.GetValueOrDefault("DcpPublisher__RandomizePorts") ?? "true",
        })
        {
            start.Environment[name] = value;
        }

        var app = new AppHostProcess(Process.Start(start)!);
        app.Process.OutputDataReceived += (_, line) => app.Take(line.Data);
        app.Process.ErrorDataReceived += (_, line) => app.Take(line.Data);
        app.Process.BeginOutputReadLine();
        app.Process.BeginErrorReadLine();
        return app;
    }

    /// <summary>Starts it, and waits until it says where the gateway is.</summary>
    public static async Task<(AppHostProcess App, HttpClient Client)> ReadyAsync(
        Place place, string[] arguments, string shell = "true", Dictionary<string, string>? environment = null)
    {
        var app = Start(place, arguments, shell, environment);
        try
        {
            return (app, new HttpClient { BaseAddress = await app.ReadyAsync() });
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it says where the gateway is.</summary>
    public async Task<Uri> ReadyAsync()
    {
        var ended = Process.WaitForExitAsync(CancellationToken);
        if (await Task.WhenAny(_ready.Task, ended).WaitAsync(Timeout, CancellationToken) == ended)
        {
            Assert.Fail($"The AppHost ended before it was ready:\n{Output}");
        }

        Descendants();
        return await _ready.Task;
    }

    /// <summary>Runs it until it ends by itself.</summary>
    /// <returns>Its exit code, and all it wrote.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        Place place, string[] arguments, Dictionary<string, string>? environment = null)
    {
        await using var app = Start(place, arguments, environment: environment);
        await app.EndAsync();
        return (app.Process.ExitCode, app.Output);
    }

    /// <summary>Waits until it has ended and everything that it wrote is read.</summary>
    public Task EndAsync() => Process.WaitForExitAsync(CancellationToken).WaitAsync(Timeout, CancellationToken);

    /// <summary>Sends it a signal.</summary>
    public void Signal(string signal) => Signals.Send(Process.Id, signal);

    /// <summary>What it has started, directly and indirectly, and still runs.</summary>
    public IReadOnlyList<Process> Descendants()
    {
        // The orchestrator detaches itself from the AppHost, and names it on its command line.
        var parents = Process.GetProcesses()
            .ToDictionary(process => process.Id, process => ProcessTable.ParentOf(process.Id));
        var roots = parents.Keys.Where(id =>
            id == Process.Id
            || ProcessTable.CommandLineOf(id).Contains($"--monitor {Process.Id} ", StringComparison.Ordinal))
            .Concat(_descendants).ToHashSet();
        var found = new HashSet<int>(roots);
        while (parents.Where(pair => found.Contains(pair.Value) && !found.Contains(pair.Key))
            .Select(pair => pair.Key).ToList() is { Count: > 0 } more)
        {
            found.UnionWith(more);
        }

        _descendants.UnionWith(found.Where(id => id != Process.Id));
        return [.. Process.GetProcesses().Where(process => _descendants.Contains(process.Id))];
    }

    /// <summary>Waits until nothing of it is left.</summary>
    public async Task NothingLeftAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken);
        patience.CancelAfter(Timeout);
        while (Descendants() is { Count: > 0 } left)
        {
            Assert.False(
                patience.IsCancellationRequested,
                "Left: " + string.Join(", ", left.Select(process => ProcessTable.CommandLineOf(process.Id))));
            await Task.Delay(50, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
        {
            Signal("TERM");
            var ended = Process.WaitForExitAsync(CancellationToken.None);
            await Task.WhenAny(ended, Task.Delay(Timeout, CancellationToken.None));
        }

        foreach (var left in Descendants())
        {
            left.Kill();
        }

        Process.Kill(entireProcessTree: true);
        Process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is not null)
        {
            _output.Enqueue(line);
            if (Ready().Match(line) is { Success: true } match)
            {
                _ready.TrySetResult(new Uri(match.Groups[1].Value));
            }
        }
    }

    [GeneratedRegex("AspireChat is ready at (http://\\S+)")]
    private static partial Regex Ready();
}

/// <summary>A home and a folder for data, deleted with the test.</summary>
internal sealed class Place : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("apphost-tests-");

    /// <summary>Makes it.</summary>
    /// <param name="data">The name of the folder for data.</param>
    public Place(string data = "data")
    {
        Home = _folder.CreateSubdirectory("home").FullName;
        Data = Path.Combine(_folder.FullName, data);
        Scratch = _folder.CreateSubdirectory("tmp");
        if (!OperatingSystem.IsWindows())
        {
            _folder.UnixFileMode |= UnixFileMode.OtherExecute | UnixFileMode.GroupExecute;
            Scratch.UnixFileMode = _folder.UnixFileMode;
        }
    }

    /// <summary>The home of the user, with the user's secrets.</summary>
    public string Home { get; init; }

    /// <summary>Where data is kept.</summary>
    public string Data { get; }

    /// <summary>Where temporary files go.</summary>
    public DirectoryInfo Scratch { get; }

    /// <summary>The folder with all of them.</summary>
    public DirectoryInfo Folder => _folder;

    public void Dispose() => _folder.Delete(recursive: true);
}

/// <summary>What Linux tells about processes.</summary>
internal static class ProcessTable
{
    /// <summary>The process that started another; 0 when it has ended.</summary>
    public static int ParentOf(int id)
    {
        try
        {
            // The second field is a name in brackets that may hold anything (proc_pid_stat(5)).
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>The command line of a process; empty when it has ended.</summary>
    public static string CommandLineOf(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline").Replace('\0', ' ');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
