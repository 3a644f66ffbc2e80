using Microsoft.Data.Sqlite;

namespace Identity.Service;

/// <summary>
/// Where users, tokens and chats are in a Django project, whose apps and models have any names. Tables are known by
/// their columns; where that leaves a choice, the operator has it.
/// </summary>
/// <param name="Users">The users' table.</param>
/// <param name="Tokens">The table with their tokens; it may be the same.</param>
/// <param name="Chats">The chats' table.</param>
internal sealed record DjangoSchema(DjangoTable Users, DjangoTable Tokens, DjangoTable Chats)
{
    private static readonly string[] BalanceColumns = ["tokens", "token_balance", "balance"];
    private static readonly string[] TimeColumns = ["timestamp", "created_at"];

    /// <summary>Gets the column with the tokens.</summary>
    public string Balance => Tokens.FirstOf(BalanceColumns)!;

    /// <summary>Gets the column that says when a chat was.</summary>
    public string Time => Chats.FirstOf(TimeColumns)!;

    /// <summary>Finds the tables.</summary>
    /// <param name="database">The database.</param>
    /// <param name="options">Which tables were named.</param>
    /// <exception cref="ImportProblem">There are none or several that fit.</exception>
    public static DjangoSchema Find(SqliteConnection database, ImportOptions options)
    {
        var tables = DjangoTable.ReadAll(database);
        var users = Choose(
            tables, IsUsers, options.UsersTable, "users", "--users-table", "username, password and a primary key");
        var tokens = Choose(
            tables, table => HasTokensOf(table, users), options.TokensTable, "tokens", "--tokens-table",
            "tokens, token_balance or balance, and is the users' or has a unique user_id");
        var chats = Choose(
            tables, IsChats, options.ChatsTable, "chats", "--chats-table",
            "user_id, message, response, timestamp or created_at, and a primary key");
        return new(users, tokens, chats);
    }

    private static bool IsUsers(DjangoTable table) => table.Has("username", "password") && table.Key is not null;

    private static bool HasTokensOf(DjangoTable table, DjangoTable users) =>
        table.FirstOf(BalanceColumns) is not null && (table == users || table.Unique.Contains("user_id"));

    private static bool IsChats(DjangoTable table) => table.Has("user_id", "message", "response")
        && table.FirstOf(TimeColumns) is not null && table.Key is not null;

    private static DjangoTable Choose(
        List<DjangoTable> tables,
        Func<DjangoTable, bool> fits,
        string? named,
        string what,
        string option,
        string columns)
    {
        if (named is not null)
        {
            return tables.Find(table => table.Is(named)) switch
            {
                null => throw new ImportProblem(
                    $"There is no table '{named}' for {what} ({option}). There are: {Names(tables)}."),
                var table when !fits(table) => throw new ImportProblem(
                    $"The table '{named}' cannot be that of the {what} ({option}): such a table has {columns}."),
                var table => table,
            };
        }

        return tables.FindAll(table => fits(table)) switch
        {
            [var one] => one,
            [] => throw new ImportProblem(
                $"No table looks like that of the {what}, which has {columns}. Is this the database of the Django "
                + $"project? Its tables are: {Names(tables)}."),
            var several => throw new ImportProblem(
                $"Several tables look like that of the {what}: {Names(several)}. Say which with {option}."),
        };
    }

    private static string Names(List<DjangoTable> tables) =>
        tables.Count == 0 ? "none" : string.Join(", ", tables.Select(table => table.Name));
}

/// <summary>A table of the Django project.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="Unique">Those of them that by themselves have no value twice.</param>
/// <param name="Key">The one of them that is the primary key, where one is.</param>
internal sealed record DjangoTable(string Name, HashSet<string> Columns, HashSet<string> Unique, string? Key)
{
    private const string TablesSql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name";

    private const string ColumnsSql = "SELECT name, pk FROM pragma_table_info($table)";

    // Of a partial index a value may be there twice.
    private const string UniqueSql = """
        SELECT min(c.name) FROM pragma_index_list($table) i, pragma_index_info(i.name) c
        WHERE i."unique" AND NOT i.partial GROUP BY i.name HAVING count(*) = 1
        """;

    /// <summary>Reads all tables.</summary>
    /// <param name="database">The database.</param>
    public static List<DjangoTable> ReadAll(SqliteConnection database) =>
        [.. Read(database, TablesSql, "").Select(row => row.Name).ToList().Select(name => Read(database, name))];

    /// <summary>Whether it has these columns.</summary>
    /// <param name="columns">Their names.</param>
    public bool Has(params ReadOnlySpan<string> columns)
    {
        foreach (var column in columns)
        {
            if (!Columns.Contains(column))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The first of some columns that it has, if any.</summary>
    /// <param name="columns">Their names.</param>
    public string? FirstOf(string[] columns) => Array.Find(columns, Columns.Contains);

    /// <summary>Whether it is the table of a name; SQLite does not tell case.</summary>
    /// <param name="name">The name.</param>
    public bool Is(string name) => Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static DjangoTable Read(SqliteConnection database, string name)
    {
        var columns = Read(database, ColumnsSql, name).ToList();
        var keys = columns.FindAll(column => column.Key > 0);
        var key = keys is [var one] ? one.Name : null;
        var unique = Read(database, UniqueSql, name).Select(row => row.Name).Concat(key is null ? [] : [key]);
        return new(
            name,
            columns.Select(column => column.Name).ToHashSet(StringComparer.OrdinalIgnoreCase),
            unique.ToHashSet(StringComparer.OrdinalIgnoreCase),
            key);
    }

    private static IEnumerable<(string Name, long Key)> Read(SqliteConnection database, string sql, string table)
    {
        using var command = database.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$table", table);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            yield return (rows.GetString(0), rows.FieldCount > 1 ? rows.GetInt64(1) : 0);
        }
    }
}
