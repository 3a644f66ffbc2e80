using System.Globalization;
using CsvHelper;

namespace Identity.Service;

/// <summary>What became of each user. Several may be reported at once.</summary>
internal sealed class ImportReport : IDisposable
{
    /// <summary>How many users of a kind the summary names; the file has all.</summary>
    private const int MaxNamed = 20;

    private const int MaxShown = 200;

    private readonly Lock _turn = new();
    private readonly List<string> _refusals = [];
    private readonly List<string> _notes = [];
    private readonly CsvWriter? _file;

    /// <summary>Begins a report.</summary>
    /// <param name="path">The file; none when null.</param>
    /// <exception cref="ImportProblem">It cannot be written.</exception>
    public ImportReport(string? path = null)
    {
        if (path is null)
        {
            return;
        }

        try
        {
            _file = new(new StreamWriter(path), CultureInfo.InvariantCulture);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw new ImportProblem($"The report cannot be written: {failed.Message}");
        }

        Write("id", "username", "outcome", "remark");
    }

    /// <summary>Gets how many users came.</summary>
    public long Imported { get; private set; }

    /// <summary>Gets how many were here already.</summary>
    public long AlreadyThere { get; private set; }

    /// <summary>Gets how many did not come.</summary>
    public long Refused { get; private set; }

    /// <summary>Gets how many of those who came need a look.</summary>
    public long Noted { get; private set; }

    /// <summary>Gets how many chats came.</summary>
    public long Chats { get; private set; }

    /// <summary>Gets how many tokens came.</summary>
    public decimal Tokens { get; private set; }

    /// <summary>Gets how many users were looked at.</summary>
    public long Done => Imported + AlreadyThere + Refused;

    /// <summary>Takes note of a user who was here already.</summary>
    /// <param name="user">The user.</param>
    public void Found(DjangoUser user)
    {
        lock (_turn)
        {
            AlreadyThere++;
            Write(user.Number, user.Name, "already there", "");
        }
    }

    /// <summary>Takes note of a user who came.</summary>
    /// <param name="user">The user.</param>
    /// <param name="tokens">With how many tokens.</param>
    /// <param name="chats">And how many chats.</param>
    /// <param name="notes">What an operator should know.</param>
    public void Import(DjangoUser user, long tokens, long chats, IReadOnlyList<string> notes)
    {
        lock (_turn)
        {
            Imported++;
            Chats += chats;
            Tokens += tokens;
            if (notes.Count > 0)
            {
                Noted++;
                Name(_notes, user, string.Join("; ", notes));
            }

            Write(user.Number, user.Name, "imported", string.Join("; ", notes));
        }
    }

    /// <summary>Takes note of a user who did not come.</summary>
    /// <param name="user">The user.</param>
    /// <param name="reason">Why.</param>
    public void Refuse(DjangoUser user, string reason)
    {
        lock (_turn)
        {
            Refused++;
            Name(_refusals, user, reason);
            Write(user.Number, user.Name, "not imported", reason);
        }
    }

    /// <summary>The report in words.</summary>
    /// <param name="took">How long it took.</param>
    /// <param name="orphanedChats">How many chats are no user's.</param>
    public string Summarize(TimeSpan took, long orphanedChats)
    {
        lock (_turn)
        {
            var invariant = CultureInfo.InvariantCulture;
            var lines = new List<string>
            {
                string.Create(
                    invariant,
                    $"{Imported:N0} users imported, with {Chats:N0} chats and {Tokens:N0} tokens, "
                    + $"in {took.TotalSeconds:N1} s."),
                string.Create(invariant, $"{AlreadyThere:N0} were here already, {Refused:N0} were not imported."),
            };
            if (orphanedChats > 0)
            {
                lines.Add(string.Create(
                    invariant, $"{orphanedChats:N0} chats are no user's in Django: they were left there."));
            }

            AddNamed(lines, "Not imported", _refusals, Refused);
            AddNamed(lines, "Imported, and to be looked at", _notes, Noted);
            return string.Join(Environment.NewLine, lines);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private static void AddNamed(List<string> lines, string heading, List<string> named, long count)
    {
        lines.AddRange(count > 0 ? [$"{heading}:", .. named] : []);
        lines.AddRange(count <= named.Count ? [] :
            [string.Create(CultureInfo.InvariantCulture, $"  and {count - named.Count:N0} more: see --report")]);
    }

    private static void Name(List<string> list, DjangoUser user, string remark)
    {
        if (list.Count < MaxNamed)
        {
            list.Add($"  {Printable(user.Name)} ({Printable(user.Number)}): {Printable(remark)}");
        }
    }

    /// <summary>Names may hold anything, also what a terminal would obey.</summary>
    private static string Printable(string text) =>
        string.Concat(text.Take(MaxShown).Select(each => char.IsControl(each) ? '?' : each));

    private void Write(params string[] row)
    {
        if (_file is null)
        {
            return;
        }

        foreach (var field in row)
        {
            // A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
            _file.WriteField(field is ['=' or '+' or '-' or '@' or '\t' or '\r' or '\n', ..] ? $"'{field}" : field);
        }

        _file.NextRecord();
    }
}
