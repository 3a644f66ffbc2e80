using Npgsql;

namespace Aspire.Local.Tests;

/// <summary>Statements on a server of a test's own.</summary>
internal static class Sql
{
    /// <summary>Runs one statement on a new connection.</summary>
    public static Task ExecuteAsync(string connectionString, string sql) => ScalarAsync(connectionString, sql);

    /// <summary>Runs one statement on a new connection.</summary>
    /// <returns>The first value it gives, as text; empty when it gives none.</returns>
    public static async Task<string> ScalarAsync(string connectionString, string sql)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return $"{await command.ExecuteScalarAsync(cancellationToken)}";
    }
}
