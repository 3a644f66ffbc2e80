using System.Diagnostics;

namespace Aspire.Local.Tests;

/// <summary>
/// An AppHost that ends, however it ends, takes everything it started with it. Reads /proc: Linux only.
/// </summary>
public sealed class KilledAppHostTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("KILL")]
    [InlineData("TERM")] // Ctrl+C goes the same way; but a shell in the background lets its children ignore SIGINT.
    public async Task AppHost_Ended_LeavesNoProcess(string signal)
    {
        using var appHost = AppHostProcess.Start("--Storage=ephemeral", "--DcpPublisher:RandomizePorts=true");
        var children = new List<Process>();
        try
        {
            await ReadyAsync(appHost);
            children.AddRange(ChildrenOf(appHost.Id).Select(Process.GetProcessById));
            Assert.True(
                children.Count >= 7, $"Postgres, Redis, four services and the watchdog run, not {children.Count}.");

            using var kill = Process.Start("kill", [$"-{signal}", $"{appHost.Id}"]);
            await appHost.WaitForExitAsync(Cancellation).WaitAsync(Timeout, Cancellation);
            await Task.WhenAll(children.Select(child => child.WaitForExitAsync(Cancellation)))
                .WaitAsync(Timeout, Cancellation);
        }
        finally
        {
            appHost.Kill(entireProcessTree: true);
            children.ForEach(child => child.Dispose());
        }
    }

    [Fact]
    public async Task AppHost_KilledWithItsWatchdog_LeavesAVolumeThatTheNextCanUse()
    {
        var store = Path.Combine(Path.GetTempPath(), $"killed-{Guid.NewGuid():N}");
        using var appHost = AppHostProcess.Start($"--Aspire:Store:Path={store}", "--DcpPublisher:RandomizePorts=true");
        var children = new List<Process>();
        try
        {
            await ReadyAsync(appHost);
            children.AddRange(ChildrenOf(appHost.Id).Select(Process.GetProcessById));
            children.Single(child => child.ProcessName == "sh").Kill();
            appHost.Kill();
            await appHost.WaitForExitAsync(Cancellation).WaitAsync(Timeout, Cancellation);
            var orphan = children.Single(child => child.ProcessName == "postgres");
            Assert.False(orphan.HasExited);

            await using var next = await TestApp.StartAsync(
                [$"--Aspire:Store:Path={store}"],
                builder => builder.AddPostgres("postgres").WithDataVolume().AddDatabase("identitydb"));
            var connectionString = await next.DatabaseAsync("identitydb");
            await Sql.ExecuteAsync(connectionString, "SELECT * FROM users");
            Assert.True(orphan.HasExited);
        }
        finally
        {
            appHost.Kill(entireProcessTree: true);
            children.ForEach(child => child.Kill(entireProcessTree: true));
            children.ForEach(child => child.Dispose());
            Directory.Delete(store, recursive: true);
        }
    }

    private static async Task ReadyAsync(Process appHost)
    {
        while (await appHost.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Timeout, Cancellation)
            is { } line)
        {
            if (line.Contains("gateway is ready", StringComparison.Ordinal))
            {
                _ = appHost.StandardOutput.ReadToEndAsync(Cancellation); // So that it never waits for its reader.
                return;
            }
        }

        Assert.Fail("The AppHost ended before it was ready.");
    }

    private static IEnumerable<int> ChildrenOf(int parent) =>
        from folder in Directory.EnumerateDirectories("/proc")
        let id = int.TryParse(Path.GetFileName(folder), out var number) ? number : 0
        where id > 0 && ParentOf(id) == parent
        select id;

    /// <summary>The fourth field of /proc/ID/stat; the second is a name in brackets that may hold anything.</summary>
    private static int ParentOf(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            var parent = stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1];
            return int.Parse(parent, System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0; // It has ended.
        }
    }
}
