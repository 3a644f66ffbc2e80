using Npgsql;

namespace ImportDjango.Tests;

/// <summary>Whatever cuts an import off, the next run goes on, and nothing is there twice.</summary>
public sealed class ResumeTests(DatabasesFixture databases)
{
    private const int Users = 450; // Three pages, and two batches of chats in a page.

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("identitydb", "django_import", "users")]
    [InlineData("ledgerdb", "accounts", "transfers")]
    [InlineData("chatdb", "chats")]
    public async Task Import_FailingAtEachWriteInTurn_GoesOnAndBringsNothingTwice(
        string database, params string[] tables)
    {
        await using var setup = await StartAsync();
        var runs = 0;
        for (var isDone = false; !isDone; runs++)
        {
            Assert.True(runs < 30, "Each run must get further than the one before.");
            await CutAsync(setup, database, tables, runs + 1, "RAISE EXCEPTION 'no disk'");
            var run = await setup.ImportAsync();
            isDone = run.ExitCode == 0;
            Assert.True(isDone || run.Error.Contains("no disk", StringComparison.Ordinal), run.Error);
            Assert.True(isDone || run.ExitCode == 1, $"{run.ExitCode}");
        }

        Assert.InRange(runs, 3, 30);
        await CutAsync(setup, database, tables, write: 0, "RAISE EXCEPTION 'no disk'"); // None has that number.
        await AssertAllIsThereAsync(setup);
    }

    [Theory]
    [InlineData("identitydb", "django_import", 3)]
    [InlineData("ledgerdb", "accounts", 2)]
    [InlineData("chatdb", "chats", 2)]
    [InlineData("identitydb", "users", 2)]
    public async Task Tool_KilledAtAWrite_GoesOnAlsoWhenTheWriteIsDoneLater(string database, string table, int write)
    {
        await using var setup = await StartAsync();
        await CutAsync(setup, database, [table], write, "PERFORM pg_advisory_xact_lock(1)");
        await using var holder = await setup.ConnectAsync(database);
        await RunAsync(holder, "SELECT pg_advisory_lock(1)");
        using (var process = setup.Start())
        {
            await UntilAsync(setup, database, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' "
                + "AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
            process.Kill();
            await process.WaitForExitAsync(CancellationToken).Soon();
        }

        // Nobody waits for the statement any more, and it is done all the same.
        await RunAsync(holder, "SELECT pg_advisory_unlock(1)");
        await UntilAsync(setup, "identitydb", "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' "
            + "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
        var run = await setup.ImportAsync();
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        await AssertAllIsThereAsync(setup);
    }

    [Fact]
    public async Task Import_WhoseUserWasChangedInDjangoSinceItWasCutOff_IsRefusedAndOpensNothingTwice()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("richer", 5);
        setup.File.AddChat(setup.File.AddUser("edited", 6), "before");
        setup.File.AddUser("wanted", 7);
        await setup.TextAsync("identitydb", """
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no disk'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION fail()
            """);
        Assert.Equal(1, (await setup.ImportAsync()).ExitCode);
        await setup.TextAsync("identitydb", "DROP TRIGGER fail ON users");
        setup.File.Run("UPDATE api_user SET tokens = 50 WHERE username = 'richer'");
        setup.File.Run("UPDATE api_chat SET message = 'after'");
        await setup.TextAsync("identitydb", """
            INSERT INTO users (user_name, normalized_user_name, password_hash) VALUES ('Wanted', 'WANTED', '!')
            """);

        var run = await setup.ImportAsync();
        Assert.Equal((1, 3), (run.ExitCode, run.Count("users not imported")));
        Assert.Contains("richer (1): an earlier run opened the account", run.Output, StringComparison.Ordinal);
        Assert.Contains("edited (2): an earlier run stored a chat", run.Output, StringComparison.Ordinal);
        Assert.Contains("wanted (3): the name is taken here", run.Output, StringComparison.Ordinal);

        await setup.TextAsync("identitydb", "DELETE FROM users WHERE user_name = 'Wanted'");
        setup.File.Run("UPDATE api_user SET tokens = 5 WHERE username = 'richer'");
        setup.File.Run("UPDATE api_chat SET message = 'before'");
        Assert.Equal(0, (await setup.ImportAsync()).ExitCode);
        Assert.Equal(("5", "6", "7"), ((await setup.HasAsync("richer")).Credits,
            (await setup.HasAsync("edited")).Credits, (await setup.HasAsync("wanted")).Credits));
        Assert.Equal("before/reply", (await setup.HasAsync("edited")).Chats);
        Assert.Equal("0", await setup.OffBooksAsync());
    }

    [Fact]
    public async Task Import_WhileSomebodyRegistersTheName_RefusesTheUserAndLosesNothing()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("wanted", 5);
        setup.File.AddUser("other", 6);
        await using var registering = await setup.ConnectAsync("identitydb");
        await using var registration = await registering.BeginTransactionAsync(CancellationToken);
        await RunAsync(
            registering,
            "INSERT INTO users (user_name, normalized_user_name, password_hash) VALUES ('Wanted', 'WANTED', '!')");
        var importing = setup.ImportAsync(); // It has looked for taken names, and waits for this one.
        await UntilAsync(setup, "identitydb", "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted");
        await registration.CommitAsync(CancellationToken);
        var run = await importing;
        Assert.Equal((1, 1), (run.ExitCode, run.Count("users not imported")));
        Assert.Equal("6", (await setup.HasAsync("other")).Credits);
        Assert.Equal("", (await setup.HasAsync("wanted")).Credits);

        await setup.TextAsync("identitydb", "DELETE FROM users WHERE user_name = 'Wanted'");
        Assert.Equal(1, (await setup.ImportAsync()).Count("users imported"));
        Assert.Equal("5", (await setup.HasAsync("wanted")).Credits);
        Assert.Equal("2", await setup.TextAsync("ledgerdb", "SELECT count(*) FROM accounts"));
    }

    private async Task<ImportSetup> StartAsync()
    {
        var setup = await ImportSetup.StartAsync(databases);
        Assert.Equal(0, (await setup.ImportAsync()).ExitCode); // It makes its table, of nobody.
        setup.File.Run($"""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {Users})
            INSERT INTO api_user (id, password, is_superuser, username, email, is_staff, is_active, date_joined, tokens)
            SELECT i, '{DjangoFile.Hash}', 0, 'user-' || i, '', 0, 1, '2024-05-06 07:08:09.' || (100000 + i), i % 7
            FROM n
            """);
        setup.File.Run("""
            WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
            INSERT INTO api_chat (user_id, message, response, timestamp)
            SELECT id, n.i, 'r', '2024-01-01 00:00:0' || n.i FROM n, api_user WHERE n.i < id % 9
            """);
        return setup;
    }

    /// <summary>Does something before the n-th statement from now on that writes to some tables.</summary>
    private static async Task CutAsync(
        ImportSetup setup, string database, string[] tables, int write, string what) =>
        await setup.TextAsync(database, $"""
            CREATE SEQUENCE IF NOT EXISTS writes;
            ALTER SEQUENCE writes RESTART;
            CREATE OR REPLACE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('writes') = {write} THEN {what}; END IF;
                RETURN NULL;
            END $$;
            {string.Concat(tables.Select(table => $"""
                CREATE OR REPLACE TRIGGER cut BEFORE INSERT OR UPDATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION cut();
                """))}
            """);

    private static async Task AssertAllIsThereAsync(ImportSetup setup)
    {
        Assert.Equal($"{Users} {Users}", await setup.TextAsync(
            "identitydb", "SELECT count(*) || ' ' || count(finished_at) FROM django_import"));
        Assert.Equal($"{Users}", await setup.TextAsync("identitydb", "SELECT count(*) FROM users"));
        Assert.Equal("0", await setup.OffBooksAsync());
        for (var n = 1; n <= Users; n += 37)
        {
            var (id, credits, chats) = await setup.HasAsync($"user-{n}");
            Assert.True(id > 0);
            Assert.Equal($"{n % 7}", credits);
            Assert.Equal(string.Join(',', Enumerable.Range(0, n % 9).Select(chat => $"{chat}/r")), chats);
        }

        Assert.Equal($"{Enumerable.Range(1, Users).Sum(n => n % 9)}", await setup.TextAsync(
            "chatdb", "SELECT count(*) FROM chats"));
        var before = await setup.StateAsync();
        var again = await setup.ImportAsync();
        Assert.Equal((0, Users), (again.ExitCode, again.Count("users here already")));
        Assert.Equal(before, await setup.StateAsync());
    }

    private static async Task UntilAsync(ImportSetup setup, string database, string sql)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await setup.TextAsync(database, sql) != "True")
        {
            await Task.Delay(20, limit.Token);
        }
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(CancellationToken).Soon();
    }
}
