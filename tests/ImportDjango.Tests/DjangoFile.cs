using Microsoft.Data.Sqlite;

namespace ImportDjango.Tests;

/// <summary>
/// A SQLite database as Django 3.2 makes it, with the tables of a project whose users have tokens and chats.
/// </summary>
internal sealed class DjangoFile : IDisposable
{
    /// <summary>The password of <see cref="Hash"/>.</summary>
    public const string Password = "old django password";

    /// <summary>What Django made of it.</summary>
    public const string Hash =
        "pbkdf2_sha256$260000$PJ2LkoUfJdXKoZsnpuM1fg$EAqOYqwXSKozbNGXgJat/OIUVml4rr7jlw+Lj7vEyaI=";

    /// <summary>What Django made of a password with PBKDF2 and HMAC-SHA1.</summary>
    public const string Sha1Hash = "pbkdf2_sha1$260000$Ap6tMe2vutM21jYJKDxC4l$1ms7jv8MfqexJGPQBhckcaNYmQo=";

    /// <summary>What Django writes for a user without a password.</summary>
    public const string NoHash = "!rtPjNV6wsH8xFLwBa25W4kIX9rAKCQILeumqjCoX";

    private const string Profiles = """
        CREATE TABLE "api_profile" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "tokens" integer,
            "user_id" integer NOT NULL UNIQUE REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
        """;

    private const string Chats = """
        CREATE TABLE "api_chat" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "message" text NOT NULL,
            "response" text NOT NULL, "timestamp" datetime NOT NULL, "user_id" bigint NOT NULL);
        CREATE INDEX "api_chat_user_id_374c626d" ON "api_chat" ("user_id");
        CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL);
        CREATE TABLE "authtoken_token" ("key" varchar(40) NOT NULL PRIMARY KEY, "user_id" integer NOT NULL UNIQUE);
        """;

    private readonly bool _hasProfiles;
    private long _lastUser;

    /// <param name="hasProfiles">Whether tokens are in a table of their own, and not the users'.</param>
    public DjangoFile(bool hasProfiles = false)
    {
        _hasProfiles = hasProfiles;
        Run(hasProfiles ? Users("auth_user", "") + Profiles : Users("api_user", """, "tokens" integer"""));
        Run(Chats);
    }

    /// <summary>A folder that has nothing else in it.</summary>
    public DirectoryInfo Folder { get; } = Directory.CreateTempSubdirectory("django-");

    /// <summary>Where it is.</summary>
    public string Path => System.IO.Path.Combine(Folder.FullName, "db.sqlite3");

    /// <summary>Adds a user, who joined in another microsecond than all others.</summary>
    /// <returns>The number.</returns>
    public long AddUser(
        string name, object? tokens = null, string password = Hash, bool isActive = true, bool isSuperuser = false)
    {
        var id = ++_lastUser;
        var table = _hasProfiles ? "auth_user" : "api_user";
        Run($"""
            INSERT INTO {table} (id, password, is_superuser, username, email, is_staff, is_active, date_joined)
            VALUES ($0, $1, $2, $3, '', 0, $4, $5)
            """, id, password, isSuperuser, name, isActive, $"2024-05-06 07:08:09.{id:D6}");
        if (!_hasProfiles)
        {
            Run("UPDATE api_user SET tokens = $1 WHERE id = $0", id, tokens ?? DBNull.Value);
        }
        else if (tokens is not null)
        {
            Run("INSERT INTO api_profile (user_id, tokens) VALUES ($0, $1)", id, tokens);
        }

        return id;
    }

    /// <summary>Adds a chat.</summary>
    public void AddChat(
        long user, string message, string response = "reply", string time = "2025-01-06 12:34:56.789012") =>
        Run(
            "INSERT INTO api_chat (user_id, message, response, timestamp) VALUES ($0, $1, $2, $3)",
            user, message, response, time);

    /// <summary>Runs SQL with parameters $0, $1 …</summary>
    public void Run(string sql, params object[] values)
    {
        using var database = new SqliteConnection($"Data Source={Path};Pooling=False");
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText = sql;
        foreach (var (index, value) in values.Index())
        {
            command.Parameters.AddWithValue($"${index}", value);
        }

        command.ExecuteNonQuery();
    }

    public void Dispose() => Folder.Delete(recursive: true);

    private static string Users(string table, string tokens) => $"""
        CREATE TABLE "{table}" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL,
            "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE,
            "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL,
            "date_joined" datetime NOT NULL{tokens});
        """;
}
