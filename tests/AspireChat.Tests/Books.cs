using System.Diagnostics;
using System.Globalization;
using System.Net;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>Looks into both databases: every charge has its reply.</summary>
internal static class Books
{
    /// <summary>How soon all must be settled, whatever has happened.</summary>
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(60);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>
    /// Ends when a user's charges are those of the user's stored chats, one by one, nothing is held any more, and
    /// balance and history say the same.
    /// </summary>
    /// <returns>How many there are.</returns>
    public static async Task<int> AssertPaidForRepliesOnlyAsync(AppHostFixture system, SignedInUser user)
    {
        var id = await IdAsync(user);
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var charged = await IdsAsync(
                system, "ledgerdb", "SELECT id FROM transfers WHERE account = $1 AND kind = 2", id);
            var held = await IdsAsync(system, "ledgerdb", "SELECT id FROM holds WHERE account_id = $1", id);
            var answered = await IdsAsync(
                system, "chatdb", "SELECT hold_id FROM chats WHERE user_id = $1 AND status IN (1, 3)", id);
            if (charged.SetEquals(answered) && held.Count == 0)
            {
                var balance = await ReadAsync<long>(
                    system, "ledgerdb",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"SELECT sum(amount)::bigint FROM transfers WHERE account = {id}"));
                Assert.Equal(balance, await user.Client.BalanceAsync());
                var history = await user.Client.ReadPagesAsync<Entry>("/api/tokens/history?limit=1000");
                Assert.True(charged.SetEquals(history
                    .Where(entry => entry.Kind is not ("opening" or "deduction" or "credit"))
                    .Select(entry => entry.Transaction)));
                return charged.Count;
            }

            Assert.True(
                Stopwatch.GetElapsedTime(since) < Promised,
                $"Held: {string.Join(", ", held)}. "
                + $"Charged without a reply: {string.Join(", ", charged.Except(answered))}. "
                + $"With a reply and not charged: {string.Join(", ", answered.Except(charged))}.");
            await Task.Delay(100, CancellationToken);
        }
    }

    /// <summary>How many of a user's chats are held.</summary>
    public static async Task<int> HeldAsync(AppHostFixture system, SignedInUser user) => (await IdsAsync(
        system, "ledgerdb", "SELECT id FROM holds WHERE account_id = $1", await IdAsync(user))).Count;

    /// <summary>How many of a user's chats are stored.</summary>
    public static async Task<int> StoredAsync(AppHostFixture system, SignedInUser user) => (await IdsAsync(
        system, "chatdb", "SELECT hold_id FROM chats WHERE user_id = $1 AND status IN (1, 3)", await IdAsync(user)))
        .Count;

    /// <summary>Runs the ledger's <c>verify</c>, which computes everything again and must find nothing.</summary>
    public static async Task AssertVerifiedAsync(AppHostFixture system)
    {
        const string Tool = "ledger-verify";
        var notifications = system.App.ResourceNotifications;
        var last = notifications.TryGetCurrentState(Tool, out var state) ? state.Snapshot.StartTimeStamp : null;
        var started = await system.App.ResourceCommands.ExecuteCommandAsync("ledger", Tool, CancellationToken);
        Assert.True(started.Success, started.Message);
        var ended = await notifications.WaitForResourceAsync(
                Tool, e => e.Snapshot.StartTimeStamp != last && e.Snapshot.ExitCode is not null, CancellationToken)
            .WaitAsync(AppHostFixture.StartTimeout, CancellationToken);
        Assert.Equal(0, ended.Snapshot.ExitCode);
    }

    /// <summary>A connection of its own, not one that a killed Postgres has left.</summary>
    public static async Task<NpgsqlConnection> OpenAsync(AppHostFixture system, string database)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(
            await system.App.GetConnectionStringAsync(database, CancellationToken)) { Pooling = false }
            .ConnectionString);
        await connection.OpenAsync(CancellationToken);
        return connection;
    }

    /// <summary>Runs a statement.</summary>
    public static async Task ExecuteAsync(AppHostFixture system, string database, string sql)
    {
        await using var source = await SourceAsync(system, database);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(CancellationToken);
    }

    /// <summary>Reads one value.</summary>
    public static async Task<T> ReadAsync<T>(AppHostFixture system, string database, string sql)
    {
        await using var source = await SourceAsync(system, database);
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(CancellationToken))!;
    }

    internal static async Task<long> IdAsync(SignedInUser user)
    {
        using var me = await user.Client.ReadAsync("/api/me");
        return (await me.ReadAsync<Me>(HttpStatusCode.OK)).Id;
    }

    private static async Task<HashSet<Guid>> IdsAsync(AppHostFixture system, string database, string sql, long user)
    {
        await using var source = await SourceAsync(system, database);
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = user });
        await using var reader = await command.ExecuteReaderAsync(CancellationToken);
        var ids = new HashSet<Guid>();
        while (await reader.ReadAsync(CancellationToken))
        {
            ids.Add(reader.GetGuid(0));
        }

        return ids;
    }

    private static async Task<NpgsqlDataSource> SourceAsync(AppHostFixture system, string database) =>
        NpgsqlDataSource.Create((await system.App.GetConnectionStringAsync(database, CancellationToken))!);

    private sealed record Me(long Id);

    private sealed record Entry(Guid Transaction, string Kind);
}
