namespace Identity.Service;

/// <summary>The command line of <c>import-django</c>.</summary>
/// <param name="Path">The SQLite file.</param>
/// <param name="UsersTable">The users' table; found by its columns when null.</param>
/// <param name="TokensTable">The table with their tokens; found by its columns when null.</param>
/// <param name="ChatsTable">The chats' table; found by its columns when null.</param>
/// <param name="Report">Where to write what became of each user; nowhere when null.</param>
internal sealed record ImportOptions(
    string Path,
    string? UsersTable = null,
    string? TokensTable = null,
    string? ChatsTable = null,
    string? Report = null)
{
    /// <summary>The command's name.</summary>
    public const string Command = "import-django";

    /// <summary>What <c>--help</c> says.</summary>
    public const string Help = $"""
        Brings users, chats and balances of a Django project into AspireChat.

          dotnet run --project Identity.Service -- {Command} FILE [OPTIONS]

        FILE is the project's SQLite database, which is only read. Stop the project first.
          --users-table=NAME    the table with username and password
          --tokens-table=NAME   the table with tokens, token_balance or balance; the users' own, or one with user_id
          --chats-table=NAME    the table with user_id, message, response, and timestamp or created_at
          --report=FILE         write a CSV file that says what became of each user

        Tables are found by their columns; name one where there are several. A run that was cut off goes on where it
        was when it is started again, and once all is done it changes nothing.
        Exit codes: 0 all users are here; 1 some are not, or it failed; 2 wrong arguments.
        Settings it needs, and everything else: docs/moving-from-django.md
        """;

    /// <summary>Reads the command line.</summary>
    /// <param name="args">All of it, from <see cref="Command"/> on.</param>
    /// <exception cref="ImportProblem">It is wrong.</exception>
    public static ImportOptions Parse(IReadOnlyList<string> args)
    {
        var options = new ImportOptions("");
        for (var n = 1; n < args.Count; n++)
        {
            if (!args[n].StartsWith('-'))
            {
                options = options.Path.Length == 0
                    ? options with { Path = args[n] }
                    : throw Misuse($"There are two files, '{options.Path}' and '{args[n]}': name one.");
                continue;
            }

            var (name, value) = args[n].Split('=', 2) is [var before, var after] ? (before, after) : (args[n], null);
            value ??= n + 1 < args.Count ? args[++n] : "";
            options = name switch
            {
                "--users-table" => options with { UsersTable = value },
                "--tokens-table" => options with { TokensTable = value },
                "--chats-table" => options with { ChatsTable = value },
                "--report" => options with { Report = value },
                _ => throw Misuse($"There is no option '{name}'."),
            };
            if (value.Length == 0 || value.StartsWith("--", StringComparison.Ordinal))
            {
                throw Misuse($"The option '{name}' needs a value.");
            }
        }

        return options.Path.Length > 0 ? options : throw Misuse("Name the SQLite file of the Django project.");
    }

    private static ImportProblem Misuse(string sentence) =>
        new($"{sentence} See: dotnet run --project Identity.Service -- {Command} --help", ImportProblem.Misused);
}
