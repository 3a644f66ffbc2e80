using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace ImportDjango.Tests;

/// <summary>Files as they are found: what the tool makes of them, and that it leaves them as they are.</summary>
public sealed class SourceTests(DatabasesFixture databases)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("wal", false)]
    [InlineData("wal", true)]
    [InlineData("delete", false)]
    [InlineData("delete", true)]
    public async Task File_LeftByACrash_IsReadAsSqliteWouldAndNotTouched(string journal, bool isReadOnly)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        var crashed = Crash(setup.File, journal);
        if (isReadOnly && !OperatingSystem.IsWindows())
        {
            foreach (var file in crashed.EnumerateFiles())
            {
                file.UnixFileMode = UnixFileMode.UserRead;
            }

            crashed.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserExecute;
        }

        try
        {
            var before = StateOf(crashed);
            var run = await setup.ImportAsync("--source", Path.Combine(crashed.FullName, "db.sqlite3"));
            Assert.Equal((0, ""), (run.ExitCode, run.Error));
            Assert.Equal("7", (await setup.HasAsync("committed")).Credits);
            Assert.Equal(before, StateOf(crashed));
        }
        finally
        {
            if (!OperatingSystem.IsWindows())
            {
                crashed.UnixFileMode |= UnixFileMode.UserWrite;
            }
        }
    }

    [Theory]
    [InlineData("a b.sqlite3")]
    [InlineData("x?mode=memory&cache=shared")]
    [InlineData("100%20#frag.db")]
    [InlineData("file:odd;Mode=Memory;Password='\".db")]
    [InlineData("[red]mark.db")]
    [InlineData("my-wal")]
    [InlineData("-db.sqlite3")]
    [InlineData("ünï 😀\n.db")]
    [InlineData("link")]
    public async Task File_OfAnyName_IsReadAndNotTouched(string name)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        var crashed = Crash(setup.File, "wal");
        var folder = setup.File.Folder.CreateSubdirectory("odd");
        if (name == "link")
        {
            File.CreateSymbolicLink(
                Path.Combine(folder.FullName, name), Path.Combine(crashed.FullName, "db.sqlite3"));
        }
        else
        {
            File.Move(Path.Combine(crashed.FullName, "db.sqlite3"), Path.Combine(folder.FullName, name));
            File.Move(Path.Combine(crashed.FullName, "db.sqlite3-wal"), Path.Combine(folder.FullName, $"{name}-wal"));
        }

        var before = StateOf(folder);
        var run = await setup.ImportAsync("--source", Path.Combine(folder.FullName, name));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal("7", (await setup.HasAsync("committed")).Credits);
        Assert.Equal(before, StateOf(folder));
    }

    [Theory]
    [InlineData("wal")]
    [InlineData("delete")]
    public async Task File_ThatIsWrittenTo_IsRefusedWithASentence(string journal)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.Run("CREATE TABLE big (x)");
        setup.File.Run("INSERT INTO big VALUES (randomblob($0))", 64 << 20);
        using var stop = new CancellationTokenSource();
        var django = Task.Run(() => WriteOn(setup.File, journal, stop.Token), CancellationToken);
        try
        {
            await AssertFailsAsync(setup, $"'{setup.File.Path}' is being written to: stop the Django project first.");
        }
        finally
        {
            await stop.CancelAsync();
            await django.Soon();
        }
    }

    [Fact]
    public async Task File_ThatIsNoDatabaseOrDamaged_IsRefusedWithASentence()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        var path = Path.Combine(setup.File.Folder.FullName, "bad");
        await AssertFailsAsync(setup, $"There is no file '{path}'.", "--source", path);
        Directory.CreateDirectory(path);
        await AssertFailsAsync(setup, $"There is no file '{path}'.", "--source", path);
        Directory.Delete(path);
        await File.WriteAllBytesAsync(path, [], CancellationToken);
        await AssertFailsAsync(setup, "No table looks like that of the users", "--source", path);
        await File.WriteAllTextAsync(path, new string('x', 5000), CancellationToken);
        await AssertFailsAsync(setup, $"'{path}' is not a SQLite database.", "--source", path);

        setup.File.Run("""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            INSERT INTO api_chat (user_id, message, response, timestamp) SELECT 1, 'm' || i, 'r', '2024-01-01' FROM n
            """);
        var whole = await File.ReadAllBytesAsync(setup.File.Path, CancellationToken);
        await File.WriteAllBytesAsync(path, whole[..(whole.Length / 2)], CancellationToken);
        await AssertFailsAsync(setup, $"'{path}' ", "--source", path);
        Array.Fill(whole, (byte)0xFF, whole.Length / 2, 4096);
        await File.WriteAllBytesAsync(path, whole, CancellationToken);
        await AssertFailsAsync(setup, $"'{path}' is damaged: ", "--source", path);
    }

    [Theory]
    [InlineData("Several tables look like that of the users: api_user, other_user. Say which with --users-table.",
        "CREATE TABLE other_user (id integer PRIMARY KEY, username text, password text)")]
    [InlineData("Several tables look like that of the tokens: api_user, wallet. Say which with --tokens-table.",
        "CREATE TABLE wallet (id integer PRIMARY KEY, user_id integer UNIQUE, balance integer)")]
    [InlineData("Several tables look like that of the tokens: api_user, wallet. Say which with --tokens-table.",
        "CREATE TABLE wallet (user_id integer PRIMARY KEY, token_balance integer)")]
    [InlineData("Several tables look like that of the chats: api_chat, old_chat. Say which with --chats-table.",
        "CREATE TABLE old_chat (id integer PRIMARY KEY, user_id int, message text, response text, created_at text)")]
    [InlineData("No table looks like that of the chats, which has user_id, message", "DROP TABLE api_chat")]
    [InlineData("No table looks like that of the users, which has username", "DROP TABLE api_user")]
    [InlineData("No table looks like that of the tokens", "ALTER TABLE api_user DROP COLUMN tokens")]
    [InlineData("", "CREATE TABLE purchase (id integer PRIMARY KEY, user_id integer, tokens integer)")]
    [InlineData("", "CREATE TABLE purchase (user_id integer, n integer, tokens integer, PRIMARY KEY (user_id, n))")]
    [InlineData("", "ALTER TABLE api_chat RENAME COLUMN timestamp TO created_at")]
    [InlineData("", "ALTER TABLE api_user RENAME TO \"odd \"\"name\"\"\"")]
    [InlineData("", "ALTER TABLE api_user DROP COLUMN date_joined")]
    public async Task Tables_ThatAreMissingOrSeveral_AreNamedWithTheOptionThatDecides(string says, string change)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("only", 5);
        setup.File.Run(change);
        if (says.Length > 0)
        {
            await AssertFailsAsync(setup, says);
            return;
        }

        Assert.Equal(0, (await setup.ImportAsync()).ExitCode);
        Assert.Equal("5", (await setup.HasAsync("only")).Credits);
    }

    [Theory]
    [InlineData("api_user", null)]
    [InlineData("API_USER", null)]
    [InlineData("other", "No table 'other' looks like that of the users, which has username")]
    [InlineData("none", "No table 'none' looks like that of the users, which has username")]
    public async Task Table_ThatIsNamed_IsTakenIfItFits(string name, string? problem)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.Run("CREATE TABLE other (id integer PRIMARY KEY)");
        setup.File.Run("CREATE TABLE other_user (id integer PRIMARY KEY, username text, password text)");
        if (problem is null)
        {
            Assert.Equal(0, (await setup.ImportAsync("--users-table", name)).ExitCode);
            return;
        }

        await AssertFailsAsync(setup, problem, "--source", setup.File.Path, "--users-table", name);
    }

    [Theory]
    [InlineData("identitydb")]
    [InlineData("ledgerdb")]
    [InlineData("chatdb")]
    public async Task Database_WithoutItsSchemaOrAway_IsNamedAndNothingIsWritten(string name)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("only", 5);
        foreach (var (says, connectionString) in new[]
        {
            ($"The database '{name}' does not have the schema of this version", databases.At("postgres")),
            ($"The database '{name}' cannot be used: ", databases.At("none_of_that_name")),
            ($"The database '{name}' cannot be used: ", "Host=127.0.0.1;Port=1"),
            ($"The database '{name}' cannot be used: ", "Dance=1"),
        })
        {
            await AssertFailsAsync(setup, says, "--source", setup.File.Path, $"--{name}", connectionString);
        }
    }

    [Theory]
    [InlineData("--source is missing", "--source", "")]
    [InlineData("--chatdb is missing", "--source", "x", "--chatdb", "")]
    [InlineData("Unknown option 'dance'", "--source", "x", "--dance")]
    [InlineData("Unknown command 'x'", "x", "--source", "x")]
    public async Task CommandLine_ThatIsWrong_IsRefusedWithASentence(string says, params string[] args)
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        await AssertFailsAsync(setup, says, args);
        var help = await setup.ImportAsync("--help");
        Assert.Equal(0, help.ExitCode);
        Assert.Contains("--source db.sqlite3 --dry-run", help.Output, StringComparison.Ordinal);
    }

    private static async Task AssertFailsAsync(ImportSetup setup, string says, params string[] args)
    {
        var before = await setup.StateAsync();
        var run = await setup.ImportAsync(args);
        Assert.True(run.ExitCode == 2, $"{run.ExitCode} in place of '{says}': {run.Output}{run.Error}");
        Assert.StartsWith(says, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, await setup.StateAsync());
    }

    /// <summary>
    /// What a crash leaves: with "wal" a log with a commit that is not in the file, with "delete" a file in which a
    /// transaction was half written, and the journal that takes it back.
    /// </summary>
    private static DirectoryInfo Crash(DjangoFile file, string journal)
    {
        file.AddUser("committed", journal == "wal" ? 1 : 7);
        var crashed = file.Folder.CreateSubdirectory("crashed");
        using var database = new SqliteConnection($"Data Source={file.Path};Pooling=False");
        database.Open();
        Run($"PRAGMA journal_mode={journal}; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=1; PRAGMA cache_spill=1");
        Run(journal == "wal" ? "UPDATE api_user SET tokens = 7" : """
            BEGIN;
            UPDATE api_user SET tokens = 1;
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO api_chat (user_id, message, response, timestamp)
            SELECT 1, hex(randomblob(500)), 'r', '2024-01-01' FROM n
            """);
        foreach (var part in file.Folder.EnumerateFiles().Where(part => part.Extension != ".sqlite3-shm"))
        {
            part.CopyTo(Path.Combine(crashed.FullName, part.Name));
        }

        Assert.Equal(2, crashed.EnumerateFiles().Count(part => part.Length > 0));
        return crashed;

        void Run(string sql)
        {
            using var command = database.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
    }

    private static void WriteOn(DjangoFile file, string journal, CancellationToken stop)
    {
        using var database = new SqliteConnection($"Data Source={file.Path};Pooling=False");
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText = $"PRAGMA journal_mode={journal}; PRAGMA synchronous=OFF; CREATE TABLE busy (x)";
        command.ExecuteNonQuery();
        command.CommandText = "INSERT INTO busy VALUES (1)";
        while (!stop.IsCancellationRequested)
        {
            command.ExecuteNonQuery();
        }
    }

    /// <summary>Every file's name, bytes and time. A file that comes and goes changes the folder's time.</summary>
    private static string StateOf(DirectoryInfo folder) => string.Join('\n', folder.EnumerateFileSystemInfos()
        .OrderBy(file => file.Name, StringComparer.Ordinal)
        .Select(file => $"{file.Name} {file.LastWriteTimeUtc:O} {file.UnixFileMode} "
            + Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file.FullName))))
        .Append($"{new DirectoryInfo(folder.FullName).LastWriteTimeUtc:O}"));
}
