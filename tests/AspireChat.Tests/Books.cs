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
    /// Ends when a user's charges are those of the user's stored chats, one by one, nothing is held any more, and the
    /// balance says the same.
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

    /// <summary>A connection of its own.</summary>
    public static async Task<NpgsqlConnection> OpenAsync(AppHostFixture system, string database)
    {
        var connection = new NpgsqlConnection(await system.App.GetConnectionStringAsync(database, CancellationToken));
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

    private static async Task<long> IdAsync(SignedInUser user)
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
}
