using Identity.Service;
using Microsoft.Data.Sqlite;

namespace Identity.Tests;

/// <summary>What the command makes of its command line and of files, before it writes anything.</summary>
public sealed class ImportSourceTests(IdentityFixture identity)
{
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
    public void Tables_ThatAreMissingOrSeveral_AreNamedWithTheOptionThatDecides(string says, string change)
    {
        using var file = new DjangoFile();
        file.Run(change);
        Assert.StartsWith(says, Assert.Throws<ImportProblem>(file.Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_WithTokensThatAreNotOnePerUser_AreNoBalances()
    {
        using var file = new DjangoFile();
        file.Run("CREATE TABLE purchase (id integer PRIMARY KEY, user_id integer, tokens integer)");
        Assert.Equal(0, file.Open().Users);
    }

    [Theory]
    [InlineData("api_user", null)]
    [InlineData("API_USER", null)]
    [InlineData("other", "The table 'other' cannot be that of the users (--users-table)")]
    [InlineData("none", "There is no table 'none' for users (--users-table). There are: api_chat, api_user")]
    public void Table_ThatIsNamed_IsTakenIfItFits(string name, string? problem)
    {
        using var file = new DjangoFile();
        file.Run("CREATE TABLE other (id integer PRIMARY KEY)");
        file.Run("CREATE TABLE other_user (id integer PRIMARY KEY, username text, password text)");
        var said = Record.Exception(() => DjangoDatabase.Open(new(file.Path, UsersTable: name)));
        Assert.Equal(problem is null, said is null);
        Assert.StartsWith(problem ?? "", said?.Message ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void File_ThatIsNoDatabase_IsRefusedWithASentence()
    {
        var path = Path.GetTempFileName();
        try
        {
            Assert.Contains("No table", Problem(path), StringComparison.Ordinal); // SQLite takes an empty one.
            File.WriteAllText(path, new string('x', 5000));
            Assert.Equal($"'{path}' is not a SQLite database.", Problem(path));
        }
        finally
        {
            File.Delete(path);
        }

        Assert.Equal($"There is no file '{path}'.", Problem(path));
        Assert.Equal($"There is no file '{Path.GetTempPath()}'.", Problem(Path.GetTempPath()));
    }

    [Fact]
    public void File_ThatIsLocked_IsRefusedWithASentence()
    {
        using var file = new DjangoFile();
        using var django = new SqliteConnection($"Data Source={file.Path};Pooling=False");
        django.Open();
        using var locks = django.CreateCommand();
        locks.CommandText = "BEGIN EXCLUSIVE";
        locks.ExecuteNonQuery();
        Assert.Equal($"'{file.Path}' is locked: stop the Django project first.", Problem(file.Path));
    }

    [Theory]
    [InlineData("Name the SQLite file", "import-django")]
    [InlineData("There are two files", "import-django", "a", "b")]
    [InlineData("There is no option '--dance'", "import-django", "a", "--dance=1")]
    [InlineData("'--report' needs a value", "import-django", "a", "--report")]
    [InlineData("'--report' needs a value", "import-django", "a", "--report=")]
    [InlineData("'--users-table' needs a value", "import-django", "a", "--users-table", "--report=x")]
    public void CommandLine_ThatIsWrong_IsRefusedWithASentence(string says, params string[] args)
    {
        var problem = Assert.Throws<ImportProblem>(() => ImportOptions.Parse(args));
        Assert.Contains(says, problem.Message, StringComparison.Ordinal);
        Assert.Equal(2, problem.ExitCode);
    }

    [Fact]
    public void CommandLine_WithAllOptions_IsUnderstood() => Assert.Equal(
        new ImportOptions("db", "u", "t", "c", "r"),
        ImportOptions.Parse([
            "import-django", "--users-table", "u", "db", "--tokens-table=t", "--chats-table=c",
            "--report", "r",
        ]));

    [Fact]
    public async Task Command_AskedForWhatItCannotDo_SaysSoAndWritesNothing()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        var (help, output, _) = await ImportProcess.RunAsync(setup, "--help");
        Assert.Equal((0, true), (help, output.Contains("--tokens-table", StringComparison.Ordinal)));
        foreach (var (expected, says, args) in new[]
        {
            (2, "There is no option", new[] { setup.File.Path, "--dance=1" }),
            (1, "There is no file", ["/no/such/file"]),
            (1, "The report cannot be written", [setup.File.Path, "--report=/no/such/folder/report.csv"]),
        })
        {
            await AssertFailsAsync(expected, says, [], args);
        }

        await AssertFailsAsync(
            1, "Auth:KeyProtectionSecret is not the one", new() { ["Auth__KeyProtectionSecret"] = new('y', 40) });
        await AssertFailsAsync(1, "Auth:KeyProtectionSecret is missing", new() { ["Auth__KeyProtectionSecret"] = "" });
        await AssertFailsAsync(
            1, "PostgreSQL cannot be used", new() { ["ConnectionStrings__identitydb"] = "Host=127.0.0.1;Port=1" });

        async Task AssertFailsAsync(
            int expected, string says, Dictionary<string, string> settings, params string[] args)
        {
            var (exitCode, _, error) = await ImportProcess.RunAsync(setup, settings, args);
            Assert.True(exitCode == expected, $"{exitCode} in place of '{says}': {error}");
            Assert.Contains(says, error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Command_WithARefusedUser_EndsWithOneAndWritesTheReport()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        setup.File.AddUser("@fine", 1);
        setup.File.AddUser("not,\"fine\"", 1);
        var report = $"{setup.File.Path}.csv";
        try
        {
            var (exitCode, output, error) = await ImportProcess.RunAsync(setup, setup.File.Path, $"--report={report}");
            Assert.Equal((1, ""), (exitCode, error));
            Assert.Contains("1 users imported", output, StringComparison.Ordinal);
            Assert.Equal(
                [
                    "id,username,outcome,remark",
                    $"2,\"not,\"\"fine\"\"\",not imported,\"the name does not fit. {User.NameRule}\"",
                    "1,'@fine,imported,",
                ],
                await File.ReadAllLinesAsync(report, TestContext.Current.CancellationToken));
        }
        finally
        {
            File.Delete(report);
        }
    }

    [Fact]
    public void Progress_OnATerminal_IsABarThatFills()
    {
        using var report = new ImportReport();
        using var output = new StringWriter();
        var progress = new ImportProgress(report, 2, output, isTerminal: true);
        Assert.Equal("[..............................] 0 of 2 users, 0 chats", progress.Bar());
        report.Import(new DjangoUser(1L, "one", "", null, true, false, null), 10, 3, []);
        Assert.Equal("[###############...............] 1 of 2 users, 3 chats", progress.Bar());
    }

    private static string Problem(string path) =>
        Assert.Throws<ImportProblem>(() => DjangoDatabase.Open(new(path))).Message;
}
