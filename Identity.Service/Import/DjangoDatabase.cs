using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Identity.Service;

/// <summary>The database of a Django project: a SQLite file, which is only read, and never whole.</summary>
internal sealed class DjangoDatabase
{
    /// <summary>Users who are read at once. Between two pages nothing of the file is locked.</summary>
    private const int PageSize = 200;

    /// <summary>How long to wait for a lock, in seconds.</summary>
    private const int Patience = 5;

    // https://www.sqlite.org/rescode.html
    private const int Busy = 5;
    private const int Locked = 6;
    private const int NotADatabase = 26;

    private readonly string _path;
    private readonly string _connectionString;
    private readonly DjangoSchema _schema;

    private DjangoDatabase(ImportOptions options)
    {
        _path = options.Path;
        _connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = Path.GetFullPath(options.Path),
            Mode = SqliteOpenMode.ReadOnly,
            DefaultTimeout = Patience,
        }.ConnectionString;
        using var database = Connect();
        _schema = DjangoSchema.Find(database, options);
        Users = Count(database, $"SELECT count(*) FROM {Quote(_schema.Users.Name)}");
        OrphanedChats = Count(database, $"""
            SELECT count(*) FROM {Quote(_schema.Chats.Name)} c WHERE NOT EXISTS (
                SELECT 1 FROM {Quote(_schema.Users.Name)} u WHERE u.{Quote(_schema.Users.Key!)} = c.user_id)
            """);
    }

    /// <summary>Gets how many users there are.</summary>
    public long Users { get; }

    /// <summary>Gets how many chats are no user's.</summary>
    public long OrphanedChats { get; }

    /// <summary>Opens a database and finds the tables.</summary>
    /// <param name="options">Where it is, and which tables were named.</param>
    /// <exception cref="ImportProblem">It cannot be read, or holds no such project.</exception>
    public static DjangoDatabase Open(ImportOptions options)
    {
        if (!File.Exists(options.Path))
        {
            throw new ImportProblem($"There is no file '{options.Path}'.");
        }

        try
        {
            return new(options);
        }
        catch (SqliteException failed)
        {
            throw Explain(options.Path, failed);
        }
    }

    /// <summary>Reads all users, in the order of their numbers, a page at a time.</summary>
    /// <exception cref="ImportProblem">They cannot be read.</exception>
    public IEnumerable<List<DjangoUser>> ReadUsers()
    {
        object? last = null;
        while (ReadPage(last) is { Count: > 0 } page)
        {
            yield return page;
            last = page[^1].Id;
        }
    }

    /// <summary>Reads a user's chats, oldest first.</summary>
    /// <param name="user">The user.</param>
    /// <exception cref="ImportProblem">They cannot be read.</exception>
    public IEnumerable<DjangoChat> ReadChats(DjangoUser user)
    {
        var chats = _schema.Chats;
        var sql = $"""
            SELECT {Quote(chats.Key!)}, message, response, {Quote(_schema.Time)} FROM {Quote(chats.Name)}
            WHERE user_id = $user ORDER BY {Quote(_schema.Time)}, {Quote(chats.Key!)}
            """;
        return Read(sql, "$user", user.Id, row => new DjangoChat(
            Text(row, 0) ?? "", Text(row, 1) ?? "", Text(row, 2) ?? "", Text(row, 3) ?? ""));
    }

    private List<DjangoUser> ReadPage(object? last)
    {
        var (users, tokens) = (_schema.Users, _schema.Tokens);
        var key = $"u.{Quote(users.Key!)}";
        var isApart = tokens != users;
        var sql = $"""
            SELECT {key}, u.username, u.password, {Optional("date_joined", "NULL")}, {Optional("is_active", "1")},
                {Optional("is_superuser", "0")}, {(isApart ? "t" : "u")}.{Quote(_schema.Balance)}
            FROM {Quote(users.Name)} u {(isApart ? $"LEFT JOIN {Quote(tokens.Name)} t ON t.user_id = {key}" : "")}
            {(last is null ? "" : $"WHERE {key} > $last")} ORDER BY {key} LIMIT {PageSize}
            """;
        return [.. Read(sql, "$last", last, row => new DjangoUser(
            row.GetValue(0), Text(row, 1) ?? "", Text(row, 2) ?? "", Text(row, 3),
            IsTrue(row.GetValue(4)), IsTrue(row.GetValue(5)), row.IsDBNull(6) ? null : row.GetValue(6)))];

        string Optional(string column, string otherwise) => users.Has(column) ? $"u.{column}" : otherwise;
    }

    private IEnumerable<T> Read<T>(string sql, string name, object? value, Func<SqliteDataReader, T> map)
    {
        using var database = Connect();
        using var command = database.CreateCommand();
        command.CommandText = sql;
        if (value is not null)
        {
            command.Parameters.AddWithValue(name, value);
        }

        using var rows = Try(command.ExecuteReader);
        while (Try(rows.Read))
        {
            yield return Try(() => map(rows));
        }
    }

    private SqliteConnection Connect()
    {
        var database = new SqliteConnection(_connectionString);
        try
        {
            Try(() =>
            {
                database.Open();
                return true;
            });
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    private T Try<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (SqliteException failed)
        {
            throw Explain(_path, failed);
        }
    }

    private static ImportProblem Explain(string path, SqliteException failed) => new(failed.SqliteErrorCode switch
    {
        NotADatabase => $"'{path}' is not a SQLite database.",
        Busy or Locked => $"'{path}' is locked: stop the Django project first.",
        _ => $"'{path}' cannot be read: {failed.Message}",
    });

    private static long Count(SqliteConnection database, string sql)
    {
        using var command = database.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    private static string? Text(SqliteDataReader row, int column) =>
        row.IsDBNull(column) ? null : Convert.ToString(row.GetValue(column), CultureInfo.InvariantCulture);

    private static bool IsTrue(object value) => value is not (0L or DBNull);

    /// <summary>A name as SQL takes any: https://www.sqlite.org/lang_keywords.html.</summary>
    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
