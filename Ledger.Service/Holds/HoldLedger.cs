using Npgsql;

namespace Ledger.Service.Holds;

/// <summary>Renews and lists open holds, and locks no account. What else is done to them is in carry_out.</summary>
internal sealed class HoldLedger(NpgsqlDataSource database)
{
    /// <summary>One that is locked is being settled at this moment: it is neither renewed nor gone.</summary>
    private const string RenewSql = """
        WITH asked AS (SELECT * FROM unnest($1, $2, $3) AS a (account_id, id, holder)),
        there AS MATERIALIZED (SELECT account_id, id FROM asked JOIN holds USING (account_id, id, holder)),
        free AS (
            SELECT account_id, id FROM holds WHERE (account_id, id) IN (SELECT account_id, id FROM there)
            FOR NO KEY UPDATE SKIP LOCKED),
        renewed AS (
            UPDATE holds h SET renewed_at = now() FROM free WHERE (h.account_id, h.id) = (free.account_id, free.id))
        SELECT account_id, id FROM asked EXCEPT SELECT account_id, id FROM there
        """;

    private const string OpenSql = """
        SELECT account_id, id, holder, request_hash, conversation, amount FROM holds
        WHERE ($1::bigint IS NULL OR account_id = $1) AND renewed_at <= now() - $2 AND (account_id, id) > ($3, $4)
        ORDER BY account_id, id LIMIT $5
        """;

    /// <summary>Says that holds are still worked on.</summary>
    /// <returns>Those that are gone: captured, released, or another's.</returns>
    public async Task<List<HoldName>> RenewAsync(IReadOnlyList<HeldBy> holds, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RenewSql)
            .WithEach(holds, hold => hold.Account)
            .WithEach(holds, hold => hold.Id)
            .WithEach(holds, hold => hold.Holder);
        return await command.ReadAllAsync(row => new HoldName(row.GetInt64(0), row.GetGuid(1)), cancellationToken);
    }

    /// <summary>
    /// A page of open holds, in the order of account and id: of an account or all, which nobody has renewed for a time,
    /// by the clock of the database.
    /// </summary>
    public async Task<List<OpenHold>> OpenAsync(
        long? account, TimeSpan notRenewedFor, HoldName after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OpenSql)
            .With(account).With(notRenewedFor).With(after.Account).With(after.Id).With(limit);
        return await command.ReadAllAsync(
            row => new OpenHold(
                row.GetInt64(0), row.GetGuid(1), row.GetGuid(2), row.GetFieldValue<byte[]>(3),
                row.GetFieldValue<Guid?>(4), row.GetInt64(5)),
            cancellationToken);
    }
}
