using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Service.Charges;

/// <summary>The notes of all replicas, in the table <c>replica_notes</c>.</summary>
/// <param name="database">The database.</param>
/// <param name="options">When a replica counts as dead.</param>
internal sealed class ReplicaNotes(NpgsqlDataSource database, IOptions<ChatSettings> options)
{
    /// <summary>
    /// When a dead replica's charges are looked for the second and last time: later than the ledger can have taken to
    /// write one, whose statements end after 30 seconds, and early enough for the minute that is promised.
    /// </summary>
    private static readonly TimeSpan Forgotten = TimeSpan.FromSeconds(55);

    private const string WriteSql = """
        INSERT INTO replica_notes (id, seen_at, is_buried, charges, users, costs, ours)
        VALUES ($1, now(), false, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, is_buried = false,
          charges = excluded.charges, users = excluded.users, costs = excluded.costs, ours = excluded.ours
        """;

    // $1 when dead, $2 when forgotten, $3 those to leave out
    private const string ClaimSql = """
        SELECT id, seen_at, now(), charges, users, costs FROM replica_notes
        WHERE seen_at < now() - CASE WHEN is_buried THEN $2 ELSE $1 END AND id <> ALL ($3)
        ORDER BY seen_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """;

    // $1 the replica, $2 when forgotten
    private const string BurySql = """
        WITH gone AS (DELETE FROM replica_notes WHERE id = $1 AND seen_at < now() - $2 RETURNING id)
        UPDATE replica_notes SET is_buried = true, charges = '{}', users = '{}', costs = '{}', ours = '{}'
        WHERE id = $1 AND NOT EXISTS (SELECT FROM gone)
        """;

    // One snapshot for both: what a replica has stored and then left out of its note is seen to be stored. Of what has
    // neither a row nor an owner that lives, it is said whether a replica that lives may yet turn out to be the owner.
    // $1 charges, $2 when a replica is dead
    private const string OrphansSql = """
        WITH live AS (
          SELECT p.id, bool_or(p.ours) AS owned FROM replica_notes n CROSS JOIN unnest(n.charges, n.ours) p (id, ours)
          WHERE n.seen_at >= now() - $2 GROUP BY p.id
        )
        SELECT c.id, live.id IS NOT NULL FROM unnest($1) c (id) LEFT JOIN live ON live.id = c.id
        WHERE live.owned IS NOT TRUE AND NOT EXISTS (SELECT FROM chats WHERE charge_id = c.id AND status <> 2)
        """;

    /// <summary>Writes a replica's note.</summary>
    /// <param name="replica">The replica.</param>
    /// <param name="charges">What it has in flight.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task WriteAsync(Guid replica, IReadOnlyList<NotedCharge> charges, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(WriteSql);
        command.Parameters.Add(new NpgsqlParameter { Value = replica });
        command.Parameters.Add(new NpgsqlParameter { Value = charges.Select(noted => noted.Charge.Id).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = charges.Select(noted => noted.Charge.UserId).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = charges.Select(noted => noted.Charge.Cost).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = charges.Select(noted => noted.IsOurs).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Removes the note of a replica that ends with nothing in flight.</summary>
    /// <param name="replica">The replica.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task RemoveAsync(Guid replica, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("DELETE FROM replica_notes WHERE id = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = replica });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Takes up the note of one dead replica that nobody else has taken up. It is done with only when
    /// <paramref name="settle"/> says so: otherwise, and when that throws, the note stays as it was.
    /// </summary>
    /// <param name="leftOut">Replicas that are not taken up; the one that is joins them.</param>
    /// <param name="settle">Brings the charges of a note to an end; says whether all of them have come to it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> BuryAsync(
        ISet<Guid> leftOut, Func<DeadReplica, Task<bool>> settle, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await ClaimAsync(connection, leftOut, cancellationToken) is not { } dead)
        {
            return false;
        }

        leftOut.Add(dead.Id);
        if (await settle(dead))
        {
            await using var bury = new NpgsqlCommand(BurySql, connection);
            bury.Parameters.Add(new NpgsqlParameter { Value = dead.Id });
            bury.Parameters.Add(new NpgsqlParameter { Value = Forgotten });
            await bury.ExecuteNonQueryAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return true;
    }

    /// <summary>Which of these charges have no reply and no owner that lives.</summary>
    /// <param name="charges">The charges.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Those, and whether a replica that lives may yet turn out to be the owner.</returns>
    public async Task<IReadOnlyDictionary<Guid, bool>> OrphansAsync(Guid[] charges, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OrphansSql);
        command.Parameters.Add(new NpgsqlParameter { Value = charges });
        command.Parameters.Add(new NpgsqlParameter { Value = options.Value.DeadAfter });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var orphans = new Dictionary<Guid, bool>();
        while (await reader.ReadAsync(cancellationToken))
        {
            orphans[reader.GetGuid(0)] = reader.GetBoolean(1);
        }

        return orphans;
    }

    private async Task<DeadReplica?> ClaimAsync(
        NpgsqlConnection connection, IEnumerable<Guid> leftOut, CancellationToken cancellationToken)
    {
        await using var claim = new NpgsqlCommand(ClaimSql, connection);
        claim.Parameters.Add(new NpgsqlParameter { Value = options.Value.DeadAfter });
        claim.Parameters.Add(new NpgsqlParameter { Value = Forgotten });
        claim.Parameters.Add(new NpgsqlParameter { Value = leftOut.ToArray() });
        await using var reader = await claim.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return null;
        }

        var (charges, users, costs) =
            (reader.GetFieldValue<Guid[]>(3), reader.GetFieldValue<long[]>(4), reader.GetFieldValue<long[]>(5));
        return new(
            reader.GetGuid(0),
            reader.GetFieldValue<DateTimeOffset>(1),
            reader.GetFieldValue<DateTimeOffset>(2),
            [.. charges.Select((id, n) => new ChatCharge(id, users[n], Message: "", costs[n])).DistinctBy(c => c.Id)]);
    }
}

/// <summary>A replica whose word has stopped coming.</summary>
/// <param name="Id">The replica.</param>
/// <param name="SeenAt">When it last wrote its note, by the database's clock.</param>
/// <param name="FoundAt">When it was taken up, by the same clock.</param>
/// <param name="Charges">What it had in flight when it wrote, unless that has been brought to an end since.</param>
internal sealed record DeadReplica(
    Guid Id, DateTimeOffset SeenAt, DateTimeOffset FoundAt, IReadOnlyList<ChatCharge> Charges);
