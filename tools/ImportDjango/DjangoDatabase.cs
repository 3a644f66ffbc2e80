using System.Globalization;
using Microsoft.Data.Sqlite;

namespace ImportDjango;

/// <summary>
/// The SQLite file of a Django project. SQLite may write even when it only reads: it folds in the log or journal that a
/// crash left over, and makes files beside. So the file and its log are copied as they are, and the copy is read.
/// </summary>
internal sealed class DjangoDatabase(ImportSettings settings) : IDisposable
{
    private const int PageSize = 200;

    private readonly SqliteConnection _copy = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("import-django-"); // For nobody else.
    private DjangoSchema _schema = null!;

    public long Users { get; private set; }

    public long OrphanedChats { get; private set; }

    /// <exception cref="ImportProblem">The file holds no such project.</exception>
    public void Open()
    {
        var copy = Path.Combine(_folder.FullName, "copy.sqlite3");
        Copy(copy);
        _copy.ConnectionString = new SqliteConnectionStringBuilder { DataSource = copy, Pooling = false }.ToString();
        _copy.Open();
        // Rows that break the project's own rules are no damage.
        if (Read("PRAGMA quick_check", row => row.GetString(0)).FirstOrDefault(each => each != "ok"
            && !each.Contains(" value in ", StringComparison.Ordinal)
            && !each.StartsWith("CHECK constraint failed", StringComparison.Ordinal)) is { } damage)
        {
            throw new ImportProblem($"'{settings.Source}' is damaged: {damage.ReplaceLineEndings(" ")}");
        }

        _schema = DjangoSchema.Find(
            [.. Read(DjangoTable.All, row => new DjangoTable(
                row.GetString(0), row.GetString(1).Split('\n'), Text(row, 2), row.GetBoolean(3)))],
            settings);
        var (users, key, chats) = (Quote(_schema.Users.Name), Quote(_schema.Users.Key!), Quote(_schema.Chats.Name));
        Users = Read($"SELECT count(*) FROM {users}", row => row.GetInt64(0)).Single();
        OrphanedChats = Read(
            $"SELECT count(*) FROM {chats} WHERE coalesce(user_id, 0) NOT IN (SELECT {key} FROM {users})",
            row => row.GetInt64(0)).Single();
        if (!OperatingSystem.IsWindows())
        {
            _folder.Delete(recursive: true); // It is read to its end all the same. No kill leaves hashes behind.
        }
    }

    /// <summary>Reads all users, in the order of their numbers, a page at a time.</summary>
    public IEnumerable<List<DjangoUser>> ReadUsers()
    {
        object? last = null;
        while (ReadPage(last) is { Count: > 0 } page)
        {
            last = page[^1].Id;
            yield return page;
        }
    }

    /// <summary>Reads a user's chats, oldest first.</summary>
    public IEnumerable<DjangoChat> ReadChats(DjangoUser user)
    {
        var (table, key, time) = (Quote(_schema.Chats.Name), Quote(_schema.Chats.Key!), Quote(_schema.Time));
        return Read(
            $"SELECT {key}, message, response, {time} FROM {table} WHERE user_id = $value ORDER BY {time}, {key}",
            row => new DjangoChat(Text(row, 0) ?? "", Text(row, 1) ?? "", Text(row, 2) ?? "", Text(row, 3) ?? ""),
            user.Id);
    }

    public void Dispose()
    {
        _copy.Dispose();
        if (Directory.Exists(_folder.FullName))
        {
            _folder.Delete(recursive: true);
        }
    }

    private void Copy(string copy)
    {
        var file = new FileInfo(settings.Source);
        if (!file.Exists)
        {
            throw new ImportProblem($"There is no file '{settings.Source}'.");
        }

        // SQLite keeps log and journal beside the file that a link leads to.
        var path = file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file.FullName;
        string[] parts = ["", "-wal", "-journal"];
        var before = State();
        var isGone = false;
        foreach (var part in parts.Where(part => File.Exists(path + part)))
        {
            try
            {
                File.Copy(path + part, copy + part);
                File.SetAttributes(copy + part, FileAttributes.Normal); // The source may be read-only.
            }
            catch (FileNotFoundException)
            {
                isGone = true; // A journal lasts as long as what is written with it.
            }
        }

        if (isGone || State() != before)
        {
            throw new ImportProblem($"'{settings.Source}' is being written to: stop the Django project first.");
        }

        string State() => string.Join(' ', parts.Select(part => new FileInfo(path + part))
            .Select(part => part.Exists ? $"{part.Length} {part.LastWriteTimeUtc.Ticks}" : "none"));
    }

    private List<DjangoUser> ReadPage(object? last)
    {
        var (users, tokens) = (_schema.Users, _schema.Tokens);
        var key = $"u.{Quote(users.Key!)}";
        var join = tokens == users ? "" : $"LEFT JOIN {Quote(tokens.Name)} t ON t.user_id = {key}";
        var sql = $"""
            SELECT {key}, u.username, u.password, {Optional("date_joined", "NULL")}, {Optional("is_active", "1")},
                {Optional("is_superuser", "0")}, {(tokens == users ? "u" : "t")}.{Quote(_schema.Balance)}
            FROM {Quote(users.Name)} u {join} {(last is null ? "" : $"WHERE {key} > $value")}
            ORDER BY {key} LIMIT {PageSize}
            """;
        return [.. Read(sql, row => new DjangoUser(
            row.GetValue(0), Text(row, 1) ?? "", Text(row, 2) ?? "", Text(row, 3),
            IsTrue(row.GetValue(4)), IsTrue(row.GetValue(5)), row.IsDBNull(6) ? null : row.GetValue(6)), last)];

        string Optional(string column, string otherwise) => users.Has(column) ? $"u.{column}" : otherwise;
    }

    private IEnumerable<T> Read<T>(string sql, Func<SqliteDataReader, T> map, object? value = null)
    {
        using var command = _copy.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$value", value ?? DBNull.Value);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            yield return map(rows);
        }
    }

    private static string? Text(SqliteDataReader row, int column) =>
        row.IsDBNull(column) ? null : Convert.ToString(row.GetValue(column), CultureInfo.InvariantCulture);

    private static bool IsTrue(object value) => value is not (0L or DBNull);

    /// <summary>A name as SQL takes any: https://www.sqlite.org/lang_keywords.html.</summary>
    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
