using System.Net;
using System.Text.Json;
using Identity.Service;

namespace Identity.Tests;

/// <summary>Users of a Django project who come here, with what is theirs.</summary>
public sealed class ImportTests(IdentityFixture identity)
{
    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Import_OfAProject_BringsUsersWithPasswordsTokensAndChats(bool hasProfiles)
    {
        await using var setup = await ImportSetup.StartAsync(identity, hasProfiles);
        var alice = setup.File.AddUser("alice", 3700);
        setup.File.AddUser("bob", 4000);
        setup.File.AddChat(alice, "second", "äöü 😀");
        setup.File.AddChat(alice, "third", time: "2025-01-06 12:34:56.789013");
        setup.File.AddChat(alice, "first", "", "2024-01-02 03:04:05");

        var report = await setup.ImportAsync();
        Assert.Equal((2, 0, 0, 3, 7700m), (
            report.Imported, report.AlreadyThere, report.Refused, report.Chats, report.Tokens));
        var (aliceId, bobId) = (await setup.IdAsync("alice"), await setup.IdAsync("bob"));
        Assert.Equal((3700, 4000), (setup.Others.Accounts[aliceId], setup.Others.Accounts[bobId]));
        Assert.Equal(
            [
                ("first", "", new(2024, 1, 2, 3, 4, 5, TimeSpan.Zero)),
                ("second", "äöü 😀", new DateTimeOffset(2025, 1, 6, 12, 34, 56, 789, 12, TimeSpan.Zero)),
                ("third", "reply", new(2025, 1, 6, 12, 34, 56, 789, 13, TimeSpan.Zero)),
            ],
            setup.Others.Chats[aliceId].Select(chat => (chat.Message, chat.Response, chat.Timestamp)));
        Assert.False(setup.Others.Chats.ContainsKey(bobId));

        // The old password is good, once with the old hash and from then on with one of ours.
        Assert.Equal(DjangoFile.Hash, await setup.HashAsync("alice"));
        var tokens = await setup.Client.LogInAsync("ALICE", DjangoFile.Password);
        var hash = await setup.HashAsync("alice");
        Assert.Equal(10_000, EqualWorkHasher.Iterations(hash));
        await setup.Client.LogInAsync("alice", DjangoFile.Password);
        Assert.Equal(hash, await setup.HashAsync("alice"));

        using var me = await setup.Client.CallAsync(HttpMethod.Get, "/api/me", tokens.Access);
        var seen = await me.ReadAsync<JsonElement>(HttpStatusCode.OK);
        Assert.Equal($$"""{"id":{{aliceId}},"username":"alice","roles":[],"created":"2024-05-06T07:08:09.000001Z"}""",
            seen.GetRawText());
    }

    [Fact]
    public async Task Import_RunTwice_ChangesNothingWhateverUsersHaveDoneMeanwhile()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        foreach (var name in new[] { "same", "changed", "logged-in", "left" })
        {
            setup.File.AddChat(setup.File.AddUser(name, 100), "hello");
        }

        setup.File.AddUser("LEFT", 5);
        await setup.ImportAsync();
        await setup.Client.LogInAsync("logged-in", DjangoFile.Password);
        var changing = await setup.Client.LogInAsync("changed", DjangoFile.Password);
        using var changed = await setup.Client.CallAsync(
            HttpMethod.Post, "/api/password", changing.Access,
            new { old = DjangoFile.Password, @new = IdentityApi.Password });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        await setup.TextAsync("DELETE FROM users WHERE user_name = 'left'");

        var (before, calls) = (await setup.StateAsync(), setup.Others.Calls);
        var report = await setup.ImportAsync();
        Assert.Equal((0, 4, 1), (report.Imported, report.AlreadyThere, report.Refused));
        Assert.Equal(before, await setup.StateAsync());
        Assert.Equal(calls, setup.Others.Calls);
    }

    [Fact]
    public async Task Import_OfAnotherProject_TakesNobodyForAUserOfTheFirst()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        setup.File.AddUser("first", 1);
        await setup.ImportAsync();
        setup.File.Run("UPDATE api_user SET username = 'second', date_joined = '2023-01-01 00:00:00.5', tokens = 2");
        var report = await setup.ImportAsync();
        Assert.Equal((1, 0), (report.Imported, report.AlreadyThere));
        Assert.Equal([1, 2], setup.Others.Accounts.Values.Order());
    }

    [Fact]
    public async Task Import_OfNamesThatCannotCome_RefusesThemAndBringsTheOthers()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        var taken = await setup.Client.NewNameAsync();
        setup.File.AddUser("bob", 1);
        setup.File.AddUser("Bob", 2);
        setup.File.AddUser("zoé", 3);
        setup.File.AddUser(taken.ToUpperInvariant(), 4);
        setup.File.AddUser("rich", long.MaxValue);
        setup.File.AddUser("vague", "12.5");
        var bad = setup.File.AddUser("timeless", 6);
        setup.File.AddChat(bad, "when?", time: "yesterday");
        setup.File.AddUser("last", 7);

        var report = await setup.ImportAsync();
        Assert.Equal((2, 6), (report.Imported, report.Refused));
        var summary = report.Summarize(TimeSpan.FromSeconds(1), orphanedChats: 0);
        foreach (var reason in new[]
        {
            "Bob (2): the name differs from that of user 1 in case alone", "zoé (3): the name does not fit.",
            $"{taken.ToUpperInvariant()} (4): the name is taken here", "rich (5): the balance '9223372036854775807'",
            "vague (6): the balance '12.5'", "timeless (7): the time of chat 1 cannot be read: 'yesterday'",
        })
        {
            Assert.Contains(reason, summary, StringComparison.Ordinal);
        }

        Assert.Equal("bob,last", await setup.TextAsync(
            "SELECT string_agg(user_name, ',' ORDER BY id) FROM users WHERE user_name IN ('bob', 'last', 'Bob')"));
        Assert.DoesNotContain(2, setup.Others.Accounts.Values);

        // What was mended in Django comes with the next run.
        setup.File.Run("UPDATE api_chat SET timestamp = '2024-01-01 00:00:00'");
        Assert.Equal(1, (await setup.ImportAsync()).Imported);
    }

    [Fact]
    public async Task Import_OfDebtsNothingAndNoBalance_OpensWithZeroOrNotAtAll()
    {
        await using var setup = await ImportSetup.StartAsync(identity, hasProfiles: true);
        setup.File.AddUser("debtor", -300);
        setup.File.AddUser("empty", 0);
        setup.File.AddUser("new");
        var report = await setup.ImportAsync();
        Assert.Equal((3, 2), (report.Imported, report.Noted));
        Assert.Equal(0, setup.Others.Accounts[await setup.IdAsync("debtor")]);
        Assert.Equal(0, setup.Others.Accounts[await setup.IdAsync("empty")]);
        Assert.False(setup.Others.Accounts.ContainsKey(await setup.IdAsync("new")));
        var summary = report.Summarize(TimeSpan.Zero, orphanedChats: 0);
        Assert.Contains("debtor (1): has -300 tokens in Django: begins with 0", summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Import_OfUsersWithoutAUsablePassword_BringsThemAndNobodyLogsInAsThem()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        setup.File.AddUser("none", 1, DjangoFile.NoHash);
        setup.File.AddUser("sha1", 1, DjangoFile.Sha1Hash);
        setup.File.AddUser("argon", 1, "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA");
        setup.File.AddUser("md5", 1, "5f4dcc3b5aa765d61d8327deb882cf99");
        setup.File.AddUser("absurd", 1, DjangoFile.Hash.Replace("260000", "10000001", StringComparison.Ordinal));
        setup.File.AddUser("inactive", 1, isActive: false);
        setup.File.AddUser("root", 1, isSuperuser: true);
        var report = await setup.ImportAsync();
        Assert.Equal((7, 7), (report.Imported, report.Noted));
        var summary = report.Summarize(TimeSpan.Zero, orphanedChats: 0);
        Assert.Contains("another kind (unknown)", summary, StringComparison.Ordinal);
        Assert.DoesNotContain("5f4dcc", summary, StringComparison.Ordinal);
        foreach (var name in new[] { "none", "sha1", "argon", "md5", "absurd", "inactive" })
        {
            Assert.Equal(User.NoPassword, await setup.HashAsync(name));
            foreach (var password in new[] { DjangoFile.Password, User.NoPassword, "sha1 pass" })
            {
                using var refused = await setup.Client.TryLogInAsync(name, password);
                Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            }
        }

        var root = await setup.Client.LogInAsync("root", DjangoFile.Password);
        Assert.False(root.Claims.TryGetProperty("role", out _), "Roles are given here, not brought along.");
    }

    [Fact]
    public async Task Import_OfManyAndLongChats_SendsThemInBoundedBatchesAndLosesNone()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        var user = setup.File.AddUser("talker", 1);
        setup.File.Run($"""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)
            INSERT INTO api_chat (user_id, message, response, timestamp)
            SELECT {user}, 'm' || i, 'r', '2024-01-01 00:00:00' FROM n
            """);
        var large = new string('x', 3 << 20);
        setup.File.AddChat(user, large, "nul \0 here", "2024-01-02 00:00:00");
        setup.File.AddChat(user, "after", time: "2024-01-03 00:00:00");
        setup.File.AddChat(99, "nobody's");

        var report = await setup.ImportAsync();
        Assert.Equal([500, 500, 201, 1, 1], setup.Others.Batches);
        var chats = setup.Others.Chats[await setup.IdAsync("talker")];
        Assert.Equal(Enumerable.Range(1, 1201).Select(n => $"m{n}"), chats.Take(1201).Select(chat => chat.Message));
        Assert.Equal((large, "nul \uFFFD here"), (chats[1201].Message, chats[1201].Response));
        Assert.Equal((1203, 1), (report.Chats, report.Noted));
        Assert.Equal(1, setup.File.Open().OrphanedChats);
    }

    [Fact]
    public async Task Import_WhileTheNameIsTaken_RefusesTheUserAndLosesNothing()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        setup.File.AddUser("wanted", 5);
        setup.Others.After = async _ =>
        {
            using var registered = await setup.Client.RegisterAsync("Wanted");
            Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        };
        var report = await setup.ImportAsync();
        Assert.Equal((0, 1), (report.Imported, report.Refused));
        Assert.Equal("Wanted", await setup.TextAsync("SELECT user_name FROM users WHERE user_name ILIKE 'wanted'"));

        setup.Others.After = _ => Task.CompletedTask;
        await setup.TextAsync("DELETE FROM users WHERE user_name = 'Wanted'");
        Assert.Equal(1, (await setup.ImportAsync()).Imported);
        Assert.Single(setup.Others.Accounts);
    }

    [Fact]
    public async Task Import_WhileAnotherRuns_IsRefused()
    {
        await using var setup = await ImportSetup.StartAsync(identity);
        setup.File.AddUser("only", 5);
        setup.Others.After = async _ =>
        {
            var refused = await Assert.ThrowsAsync<ImportProblem>(() => setup.ImportAsync());
            Assert.Contains("Another import", refused.Message, StringComparison.Ordinal);
        };
        Assert.Equal(1, (await setup.ImportAsync()).Imported);
    }
}
