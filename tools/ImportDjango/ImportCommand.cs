using System.ComponentModel;
using Microsoft.Data.Sqlite;
using Npgsql;
using Spectre.Console;
using Spectre.Console.Cli;

namespace ImportDjango;

/// <summary>Why an import cannot begin, in a sentence for the operator, who can mend it.</summary>
internal sealed class ImportProblem(string sentence) : Exception(sentence);

/// <summary>The command line.</summary>
internal sealed class ImportSettings : CommandSettings
{
    [CommandOption("--source <FILE>"), Description("The project's SQLite file. It is copied; nothing of it changes")]
    public string Source { get; init; } = "";

    [CommandOption("--identitydb <CONNECTION>"), Description("Where users are; else ConnectionStrings__identitydb")]
    public string? IdentityDb { get; init; } = Environment.GetEnvironmentVariable("ConnectionStrings__identitydb");

    [CommandOption("--ledgerdb <CONNECTION>"), Description("Where balances are; else ConnectionStrings__ledgerdb")]
    public string? LedgerDb { get; init; } = Environment.GetEnvironmentVariable("ConnectionStrings__ledgerdb");

    [CommandOption("--chatdb <CONNECTION>"), Description("Where chats are; else ConnectionStrings__chatdb")]
    public string? ChatDb { get; init; } = Environment.GetEnvironmentVariable("ConnectionStrings__chatdb");

    [CommandOption("--dry-run"), Description("Say what would be imported, and write nothing")]
    public bool IsDryRun { get; init; }

    [CommandOption("--users-table <NAME>"), Description("The users' table, where several look like it")]
    public string? UsersTable { get; init; }

    [CommandOption("--tokens-table <NAME>"), Description("The table of the balances, which may be the users'")]
    public string? TokensTable { get; init; }

    [CommandOption("--chats-table <NAME>"), Description("The chats' table")]
    public string? ChatsTable { get; init; }

    public override ValidationResult Validate() =>
        new[] { ("--source", Source), ("--identitydb", IdentityDb), ("--ledgerdb", LedgerDb), ("--chatdb", ChatDb) }
            .FirstOrDefault(option => string.IsNullOrWhiteSpace(option.Item2)).Item1 is { } missing
            ? ValidationResult.Error($"{missing} is missing.") : ValidationResult.Success();
}

/// <summary>Imports, shows how far it is, and says what became of it.</summary>
internal sealed class ImportCommand : AsyncCommand<ImportSettings>
{
    private const int SomeAreNotHere = 1;
    private const int CannotBegin = 2;
    private const int NotADatabase = 26; // https://www.sqlite.org/rescode.html

    public static void Configure(IConfigurator app)
    {
        app.SetApplicationName("ImportDjango");
        app.UseStrictParsing();
        app.AddExample("--source", "db.sqlite3", "--dry-run");
        app.AddExample("--source", "db.sqlite3", "--identitydb", "'Host=…'", "--ledgerdb", "…", "--chatdb", "…");
        app.SetExceptionHandler((failed, _) =>
            failed is CommandAppException ? Fail($"{failed.Message} See --help.", CannotBegin) : throw failed);
    }

    public override async Task<int> ExecuteAsync(
        CommandContext context, ImportSettings settings, CancellationToken cancellationToken)
    {
        try
        {
            using var source = new DjangoDatabase(settings);
            source.Open();
            await using var target = new Databases(settings);
            await target.OpenAsync();
            var report = new Report(source, settings.IsDryRun);
            await AnsiConsole.Progress().StartAsync(async progress =>
            {
                var bar = progress.AddTask("users", maxValue: Math.Max(1, source.Users));
                await new Import(source, target, report, settings.IsDryRun).RunAsync(() => report.Show(bar));
            });
            report.Summarize();
            return report.Refused.Count == 0 ? 0 : SomeAreNotHere;
        }
        catch (ImportProblem problem)
        {
            return Fail(problem.Message, CannotBegin);
        }
        catch (Exception failed) when (failed is SqliteException or IOException or UnauthorizedAccessException)
        {
            var isNone = failed is SqliteException { SqliteErrorCode: NotADatabase };
            var why = isNone ? "is not a SQLite database." : $"cannot be read: {failed.Message}";
            return Fail($"'{settings.Source}' {why}", CannotBegin);
        }
        catch (NpgsqlException failed)
        {
            return Fail($"PostgreSQL: {failed.Message} Start the command again: it goes on.", SomeAreNotHere);
        }
    }

    private static int Fail(string sentence, int exitCode)
    {
        Console.Error.WriteLine(sentence);
        return exitCode;
    }
}
