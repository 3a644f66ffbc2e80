using Microsoft.Extensions.Hosting;

namespace ImportDjango.Tests;

/// <summary>Users of a Django project who come here, with what is theirs.</summary>
public sealed class ImportTests(DatabasesFixture databases)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Import_OfAProject_BringsUsersWithPasswordsTokensAndChats(bool hasProfiles)
    {
        await using var setup = await ImportSetup.StartAsync(databases, hasProfiles);
        var alice = setup.File.AddUser("alice", 3700);
        setup.File.AddUser("Bob", 4000);
        setup.File.AddChat(alice, "second", "äöü 😀");
        setup.File.AddChat(alice, "third", time: "2025-01-06 12:34:56.789013");
        setup.File.AddChat(alice, "first", "", "2024-01-02 03:04:05");
        setup.File.AddChat(99, "nobody's");

        var run = await setup.ImportAsync();
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal((2, 3, 7700), (run.Count("users imported"), run.Count("their chats"), run.Count("their tokens")));
        Assert.Equal(1, run.Count("chats of nobody, left in Django"));
        var (id, credits, chats) = await setup.HasAsync("alice");
        Assert.Equal(("3700", "first/,second/äöü 😀,third/reply"), (credits, chats));
        Assert.Equal(("4000", ""), ((await setup.HasAsync("Bob")).Credits, (await setup.HasAsync("Bob")).Chats));
        Assert.Equal(DjangoFile.Hash, await setup.HashAsync("alice"));
        Assert.Equal("alice,ALICE,2024-05-06 07:08:09.000001,Bob,BOB,2024-05-06 07:08:09.000002", await setup.TextAsync(
            "identitydb", "SELECT string_agg(concat_ws(',', user_name, normalized_user_name, created_at AT TIME ZONE "
            + "'UTC'), ',' ORDER BY id) FROM users WHERE security_stamp <> '' AND concurrency_stamp <> ''"));
        Assert.Equal("2025-01-06 12:34:56.789013/4/0/", await setup.TextAsync(
            "chatdb", "SELECT concat_ws('/', created_at AT TIME ZONE 'UTC', status, cost, coalesce(tokens::text, '')) "
            + "FROM chats WHERE message = 'third'"));

        // The ledger would find this transfer, and open nothing again.
        var opening = IdempotencyKey.ToTransferId(id, "opening", "opening");
        Assert.Equal("1/3700/3700/1", await setup.TextAsync(
            "ledgerdb", "SELECT concat_ws('/', kind, amount, balance_after, version) FROM transfers "
            + $"WHERE account = {id} AND id = '{opening}'"));
        Assert.Equal("0", await setup.OffBooksAsync());
    }

    [Fact]
    public async Task Import_RunTwice_ChangesNothingWhateverUsersHaveDoneMeanwhile()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        foreach (var name in new[] { "same", "changed", "spent", "left" })
        {
            setup.File.AddChat(setup.File.AddUser(name, 100), "hello");
        }

        setup.File.AddUser("LEFT", 5);
        Assert.Equal(1, (await setup.ImportAsync()).ExitCode);
        await setup.TextAsync("identitydb", "UPDATE users SET password_hash = 'new' WHERE user_name = 'changed'");
        await setup.TextAsync("identitydb", "DELETE FROM users WHERE user_name = 'left'");
        await setup.TextAsync("ledgerdb", "UPDATE accounts SET balance = 1 WHERE id > 0");
        await setup.TextAsync("chatdb", "DELETE FROM chats");

        var before = await setup.StateAsync();
        var run = await setup.ImportAsync();
        Assert.Equal((1, 0, 4, 1), (
            run.ExitCode, run.Count("users imported"), run.Count("users here already"),
            run.Count("users not imported")));
        Assert.Equal(before, await setup.StateAsync());
    }

    [Fact]
    public async Task DryRun_OfAProject_SaysWhatAnImportWouldAndWritesNothing()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddChat(setup.File.AddUser("first", 100), "hello");
        await AssertWritesNothingAsync(1, 0);
        Assert.Equal(0, (await setup.ImportAsync()).ExitCode);
        setup.File.AddChat(setup.File.AddUser("second", 50), "hello");
        await AssertWritesNothingAsync(1, 1);

        async Task AssertWritesNothingAsync(int users, int known)
        {
            var before = await setup.StateAsync();
            var run = await setup.ImportAsync("--dry-run");
            Assert.Equal((0, users, users, known), (
                run.ExitCode, run.Count("users imported"), run.Count("their chats"), run.Count("users here already")));
            Assert.Contains("Dry run: nothing was written", run.Output, StringComparison.Ordinal);
            Assert.Equal(before, await setup.StateAsync());
        }
    }

    [Fact]
    public async Task Import_OfAnotherProject_TakesNobodyForAUserOfTheFirst()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("first", 1);
        await setup.ImportAsync();
        setup.File.Run("UPDATE api_user SET username = 'second', date_joined = '2023-01-01 00:00:00.5', tokens = 2");
        var run = await setup.ImportAsync();
        Assert.Equal((1, 0), (run.Count("users imported"), run.Count("users here already")));
        Assert.Equal("1,2", await setup.TextAsync(
            "ledgerdb", "SELECT string_agg(balance::text, ',' ORDER BY balance) FROM accounts"));
    }

    [Fact]
    public async Task Import_OfNamesThatCannotCome_RefusesThemAndBringsTheOthers()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        await setup.TextAsync(
            "identitydb", "INSERT INTO users (user_name, normalized_user_name, password_hash) VALUES ('t', 'T', '!')");
        setup.File.AddUser("bob", 1);
        setup.File.AddUser("Bob", 2);
        setup.File.AddUser("zoé\u001b[31m", 3);
        setup.File.AddUser("T", 4);
        setup.File.AddUser("rich", long.MaxValue);
        setup.File.AddUser("vague", "12.5");
        setup.File.AddChat(setup.File.AddUser("timeless", 6), "when?", time: "yesterday");
        setup.File.AddUser("last", (1L << 53) - 1);

        var run = await setup.ImportAsync();
        Assert.Equal((1, 2, 6), (run.ExitCode, run.Count("users imported"), run.Count("users not imported")));
        foreach (var reason in new[]
        {
            "Bob (2): the name differs from that of user 1 in case alone", "zoé?[31m (3): the name does not fit.",
            "T (4): the name is taken here", "rich (5): the balance '9223372036854775807'",
            "vague (6): the balance '12.5'", "timeless (7): the time of chat 1 cannot be read: 'yesterday'",
        })
        {
            Assert.Contains($"Not imported: {reason}", run.Output, StringComparison.Ordinal);
        }

        Assert.Equal("bob,last,t", await setup.TextAsync(
            "identitydb", "SELECT string_agg(user_name, ',' ORDER BY user_name) FROM users"));
        Assert.Equal("0", await setup.TextAsync("ledgerdb", "SELECT count(*) FROM accounts WHERE balance IN (2, 4)"));

        // What was mended in Django comes with the next run.
        setup.File.Run("UPDATE api_chat SET timestamp = '2024-01-01 00:00:00'");
        Assert.Equal(1, (await setup.ImportAsync()).Count("users imported"));
        Assert.Equal(("6", "when?/reply"), ((await setup.HasAsync("timeless")).Credits,
            (await setup.HasAsync("timeless")).Chats));
        Assert.Equal("0", await setup.OffBooksAsync());
    }

    [Fact]
    public async Task Import_OfDebtsNothingAndNoBalance_OpensWithZeroOrNotAtAll()
    {
        await using var setup = await ImportSetup.StartAsync(databases, hasProfiles: true);
        setup.File.AddUser("debtor", -300);
        setup.File.AddUser("empty", 0);
        setup.File.AddUser("new");
        var run = await setup.ImportAsync();
        Assert.Equal((0, 3), (run.ExitCode, run.Count("users imported")));
        Assert.Equal("0", (await setup.HasAsync("debtor")).Credits);
        Assert.Equal("0", (await setup.HasAsync("empty")).Credits);
        Assert.Equal("", (await setup.HasAsync("new")).Credits);
        Assert.Equal("0", await setup.TextAsync("ledgerdb", "SELECT count(*) FROM transfers"));
        Assert.Contains("debtor (1): has -300 tokens in Django: begins with 0", run.Output, StringComparison.Ordinal);
        Assert.Contains("new (3): has no balance in Django", run.Output, StringComparison.Ordinal);
        Assert.Equal("0", await setup.OffBooksAsync());
    }

    [Fact]
    public async Task Import_OfUsersWithoutAUsablePassword_BringsThemWithNoneAndSaysSo()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("none", 1, DjangoFile.NoHash);
        setup.File.AddUser("sha1", 1, DjangoFile.Sha1Hash);
        setup.File.AddUser("argon", 1, "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA");
        setup.File.AddUser("md5", 1, "5f4dcc3b5aa765d61d8327deb882cf99");
        setup.File.AddUser("absurd", 1, DjangoFile.Hash.Replace("260000", "10000001", StringComparison.Ordinal));
        setup.File.AddUser("inactive", 1, isActive: false);
        setup.File.AddUser("root", 1, isSuperuser: true);
        var run = await setup.ImportAsync();
        Assert.Equal((0, 7), (run.ExitCode, run.Count("users imported")));
        Assert.DoesNotContain("5f4dcc", run.Output, StringComparison.Ordinal);
        foreach (var (name, why) in new[]
        {
            ("none", "has no password"), ("sha1", "has a password that is no"), ("argon", "has a password that is no"),
            ("md5", "has a password that is no"), ("absurd", "has a password that is no"),
            ("inactive", "is not active"),
        })
        {
            Assert.Equal("!", await setup.HashAsync(name));
            Assert.Matches($@"{name} \(\d\): {why}", run.Output);
        }

        Assert.Equal(DjangoFile.Hash, await setup.HashAsync("root"));
        Assert.Contains("root (7): is a superuser in Django: has no role here", run.Output, StringComparison.Ordinal);
        Assert.Equal("0", await setup.TextAsync("identitydb", "SELECT count(*) FROM user_roles"));
    }

    [Fact]
    public async Task Import_OfManyAndLongChats_KeepsTheirOrderAndLosesNone()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        var user = setup.File.AddUser("talker", 1);
        setup.File.Run($"""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)
            INSERT INTO api_chat (user_id, message, response, timestamp)
            SELECT {user}, 'm' || i, 'r', '2024-01-01 00:00:00' FROM n
            """);
        setup.File.AddChat(user, new string('x', 3 << 20), "nul \0 here", "2024-01-02 00:00:00");
        setup.File.AddChat(user, "after", time: "2024-01-03 00:00:00");
        var run = await setup.ImportAsync();
        Assert.Equal((0, 1203), (run.ExitCode, run.Count("their chats")));
        Assert.Contains("has chats with NUL characters", run.Output, StringComparison.Ordinal);
        var expected = Enumerable.Range(1, 1201).Select(n => $"m{n}/r").Append(
            $"{new string('x', 3 << 20)}/nul \uFFFD here").Append("after/reply");
        Assert.Equal(string.Join(',', expected), (await setup.HasAsync("talker")).Chats);
    }

    [Fact]
    public async Task Import_WhileAnotherRuns_IsRefused()
    {
        await using var setup = await ImportSetup.StartAsync(databases);
        setup.File.AddUser("only", 5);
        await using var other = await setup.ConnectAsync("identitydb");
        await using var turn = other.CreateCommand();
        turn.CommandText = "SELECT pg_advisory_lock(110408063936367)";
        await turn.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();
        var refused = await setup.ImportAsync();
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("Another import is running", refused.Error, StringComparison.Ordinal);
        Assert.Equal("0", await setup.TextAsync("identitydb", "SELECT count(*) FROM users"));

        turn.CommandText = "SELECT pg_advisory_unlock_all()";
        await turn.ExecuteNonQueryAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(0, (await setup.ImportAsync()).ExitCode);
    }
}
