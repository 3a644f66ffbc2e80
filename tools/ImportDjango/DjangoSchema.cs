namespace ImportDjango;

/// <summary>A table of the Django project, with its columns in lower case.</summary>
internal sealed record DjangoTable(string Name, string[] Columns, string? Key, bool HasUniqueUser)
{
    // A partial index lets a value be there twice.
    public const string All = """
        SELECT t.name, group_concat(lower(c.name), char(10)), iif(sum(c.pk > 0) = 1, max(iif(c.pk, c.name, '')), NULL),
            EXISTS (SELECT 1 FROM pragma_index_list(t.name) i WHERE i."unique" AND NOT i.partial
                AND (SELECT group_concat(lower(x.name)) FROM pragma_index_info(i.name) x) = 'user_id')
        FROM sqlite_master t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~' GROUP BY t.name ORDER BY t.name
        """;

    public bool Has(params string[] columns) => Array.TrueForAll(columns, Columns.Contains);
    public string? FirstOf(string[] columns) => Array.Find(columns, Columns.Contains);
}

/// <summary>
/// Where users, tokens and chats are in a Django project, whose apps and models have any names. Tables are known by
/// their columns; where that leaves a choice, the operator has it.
/// </summary>
internal sealed record DjangoSchema(DjangoTable Users, DjangoTable Tokens, DjangoTable Chats)
{
    private static readonly string[] BalanceColumns = ["tokens", "token_balance", "balance"];
    private static readonly string[] TimeColumns = ["timestamp", "created_at"];

    public string Balance => Tokens.FirstOf(BalanceColumns)!;
    public string Time => Chats.FirstOf(TimeColumns)!;

    /// <exception cref="ImportProblem">There are none or several that fit.</exception>
    public static DjangoSchema Find(List<DjangoTable> tables, ImportSettings settings)
    {
        var users = Choose(
            table => table.Has("username", "password") && table.Key is not null,
            settings.UsersTable, "users", "username, password and a primary key");
        var tokens = Choose(
            table => table.FirstOf(BalanceColumns) is not null
                && (table == users || table.HasUniqueUser || table.Key is "user_id"),
            settings.TokensTable, "tokens",
            "tokens, token_balance or balance, and is the users' or has a unique user_id");
        var chats = Choose(
            table => table.Has("user_id", "message", "response") && table.FirstOf(TimeColumns) is not null
                && table.Key is not null,
            settings.ChatsTable, "chats", "user_id, message, response, timestamp or created_at, and a primary key");
        return new(users, tokens, chats);

        DjangoTable Choose(Predicate<DjangoTable> fits, string? name, string what, string columns) => tables
            .FindAll(table => (name ?? table.Name).Equals(table.Name, StringComparison.OrdinalIgnoreCase)).FindAll(fits)
            switch
            {
                [var one] => one,
                [] => throw new ImportProblem(
                    $"No table {(name is null ? "" : $"'{name}' ")}looks like that of the {what}, which has {columns}. "
                    + $"Is this the database of the Django project? Its tables are: {Names(tables)}."),
                var several => throw new ImportProblem(
                    $"Several tables look like that of the {what}: {Names(several)}. Say which with --{what}-table."),
            };

        static string Names(List<DjangoTable> some) =>
            some.Count == 0 ? "none" : string.Join(", ", some.Select(table => table.Name));
    }
}
