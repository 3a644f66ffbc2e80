using Npgsql;

namespace Tests.Shared;

/// <summary>
/// Whether a database can be split by account: every table has the account in its primary key and in every unique
/// index. The migrations' own table is left out.
/// </summary>
internal static class AccountKeys
{
    /// <summary>Names the tables without a primary key, and the indexes that reach over accounts.</summary>
    /// <param name="database">The database.</param>
    /// <param name="column">The column that has the account.</param>
    /// <param name="others">Tables where another column has it.</param>
    public static async Task<List<string>> MissingAsync(
        NpgsqlDataSource database, string column, params (string Table, string Column)[] others)
    {
        await using var command = database.CreateCommand("""
            WITH tables AS (
                SELECT oid, relname, coalesce(
                    (SELECT o.attname FROM unnest($2, $3) AS o (relname, attname) WHERE o.relname = c.relname),
                    $1) AS account
                FROM pg_class c
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                    AND relname <> '__EFMigrationsHistory')
            SELECT i.indexrelid::regclass::text AS problem FROM pg_index i JOIN tables t ON t.oid = i.indrelid
            WHERE i.indisunique AND NOT EXISTS (
                SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey::smallint[])
                    AND a.attname = t.account)
            UNION ALL
            SELECT relname || ': no primary key' FROM tables t
            WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)
            ORDER BY 1
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = column });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. others.Select(o => o.Table)] });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. others.Select(o => o.Column)] });
        await using var rows = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var missing = new List<string>();
        while (await rows.ReadAsync(TestContext.Current.CancellationToken))
        {
            missing.Add(rows.GetString(0));
        }

        return missing;
    }
}
