using System.Diagnostics;
using System.Net;
using Npgsql;

namespace AspireChat.Tests;

/// <summary>Looks into both databases: every charge has its reply.</summary>
internal static class Books
{
    /// <summary>How soon a charge without a reply must be given back, whatever has happened.</summary>
    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(60);

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    /// <summary>
    /// Ends when a user's charges are those of the user's completed chats, one by one, and the balance says the same.
    /// </summary>
    /// <returns>How many there are.</returns>
    public static async Task<int> AssertPaidForRepliesOnlyAsync(AppHostFixture system, SignedInUser user)
    {
        using var me = await user.Client.ReadAsync("/api/me");
        var id = (await me.ReadAsync<Me>(HttpStatusCode.OK)).Id;
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var (charged, cost) = await ChargesAsync(system, id);
            var answered = await IdsAsync(
                system, "chatdb", "SELECT charge_id FROM chats WHERE user_id = $1 AND status = 1", id);
            if (charged.SetEquals(answered))
            {
                Assert.Equal(4000 - cost, await user.Client.BalanceAsync());
                return charged.Count;
            }

            Assert.True(
                Stopwatch.GetElapsedTime(since) < Promised,
                $"Charged without a reply: {string.Join(", ", charged.Except(answered))}. "
                + $"With a reply and not charged: {string.Join(", ", answered.Except(charged))}.");
            await Task.Delay(100, CancellationToken);
        }
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

    private static async Task<(HashSet<Guid> Ids, long Cost)> ChargesAsync(AppHostFixture system, long user)
    {
        const string Open = """
            FROM transfers t WHERE t.account = $1 AND t.kind = 2
              AND t.amount > coalesce((SELECT sum(r.amount) FROM transfers r WHERE r.charge_id = t.id), 0)
            """;
        var ids = await IdsAsync(system, "ledgerdb", $"SELECT t.id {Open}", user);
        await using var source = await SourceAsync(system, "ledgerdb");
        await using var command = source.CreateCommand($"SELECT coalesce(sum(t.amount), 0)::bigint {Open}");
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = user });
        return (ids, (long)(await command.ExecuteScalarAsync(CancellationToken))!);
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
