using System.Diagnostics;
using Npgsql;

namespace ImportDjango.Tests;

/// <summary>A Django project, databases for it to move into, and the tool as an operator starts it.</summary>
internal sealed class ImportSetup : IAsyncDisposable
{
    private readonly Dictionary<string, string> _databases;
    private readonly Dictionary<string, NpgsqlDataSource> _sources;

    private ImportSetup(DjangoFile file, Dictionary<string, string> databases)
    {
        (File, _databases) = (file, databases);
        _sources = databases.ToDictionary(each => each.Key, each => NpgsqlDataSource.Create(each.Value));
    }

    public DjangoFile File { get; }

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    public static async Task<ImportSetup> StartAsync(DatabasesFixture databases, bool hasProfiles = false) =>
        new(new DjangoFile(hasProfiles), await databases.CopyAsync());

    /// <summary>Starts the tool on the file, or with arguments of a test's own.</summary>
    public Process Start(params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var arg in args.Contains("--source") ? args : ["--source", File.Path, .. args])
        {
            start.ArgumentList.Add(arg);
        }

        start.ArgumentList.Insert(0, Path.Combine(AppContext.BaseDirectory, "ImportDjango.dll"));
        foreach (var (name, connectionString) in _databases)
        {
            start.Environment[$"ConnectionStrings__{name}"] = connectionString;
        }

        return Process.Start(start)!;
    }

    /// <summary>Runs the tool to its end.</summary>
    public async Task<Run> ImportAsync(params string[] args)
    {
        using var process = Start(args);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken);
            var error = process.StandardError.ReadToEndAsync(CancellationToken);
            await process.WaitForExitAsync(CancellationToken).Soon();
            return new(process.ExitCode, await output.Soon(), await error.Soon());
        }
        finally
        {
            process.Kill();
        }
    }

    /// <summary>Runs SQL in <c>identitydb</c>, <c>ledgerdb</c> or <c>chatdb</c>.</summary>
    /// <returns>The first value, as text.</returns>
    public async Task<string> TextAsync(string database, string sql)
    {
        await using var command = _sources[database].CreateCommand(sql);
        return $"{await command.ExecuteScalarAsync(CancellationToken).Soon()}";
    }

    /// <summary>A connection of a test's own.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(string database) =>
        await _sources[database].OpenConnectionAsync(CancellationToken).AsTask().Soon();

    /// <summary>What a user has: id, credits and chats, oldest first.</summary>
    public async Task<(long Id, string Credits, string Chats)> HasAsync(string name)
    {
        var id = await TextAsync("identitydb", $"SELECT id FROM users WHERE user_name = '{name}'");
        return (
            long.Parse($"0{id}", null),
            await TextAsync("ledgerdb", $"SELECT balance FROM accounts WHERE id = 0{id}"),
            await TextAsync(
                "chatdb", $"SELECT string_agg(message || '/' || response, ',' ORDER BY id) FROM chats "
                    + $"WHERE user_id = 0{id}"));
    }

    public Task<string> HashAsync(string name) =>
        TextAsync("identitydb", $"SELECT password_hash FROM users WHERE user_name = '{name}'");

    /// <summary>All rows of all tables that an import may write.</summary>
    public async Task<string> StateAsync()
    {
        var rows = new List<string>();
        foreach (var (database, table) in new[]
        {
            ("identitydb", "users"), ("identitydb", "django_import"), ("ledgerdb", "accounts"),
            ("ledgerdb", "transfers"), ("chatdb", "chats"),
        })
        {
            rows.Add(await TextAsync(database, $"SELECT to_regclass('{table}')::text") is "" ? "no table"
                : await TextAsync(database, $"SELECT string_agg(t::text, '\n' ORDER BY t::text) FROM {table} t"));
        }

        return string.Join("\n\n", rows);
    }

    /// <summary>Counts what <c>ledger verify</c> finds off, as far as an import can put it off.</summary>
    public Task<string> OffBooksAsync() => TextAsync("ledgerdb", """
        SELECT count(*) FROM accounts a FULL JOIN (
            SELECT account, count(*) AS count, sum(amount) AS sum, max(balance_after) AS last, max(version) AS version
            FROM transfers GROUP BY account) t ON t.account = a.id
        WHERE a.id IS NULL OR a.held <> 0 OR (a.balance, a.balance, a.version, a.revision, a.version) IS DISTINCT FROM
            (coalesce(sum, 0), coalesce(last, 0), coalesce(count, 0), coalesce(count, 0), coalesce(t.version, 0))
        """);

    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources.Values)
        {
            await source.DisposeAsync();
        }

        File.Dispose();
    }
}

/// <summary>How the tool has ended.</summary>
internal sealed record Run(int ExitCode, string Output, string Error)
{
    /// <summary>A number of the summary.</summary>
    public long Count(string what) => long.Parse(
        Output.Split('\n').Single(line => line.Contains($" {what} ", StringComparison.Ordinal)).Split('│', '|')[^2],
        System.Globalization.NumberStyles.Any, System.Globalization.CultureInfo.InvariantCulture);
}
