using System.Globalization;
using Spectre.Console;

namespace ImportDjango;

/// <summary>What became of each user.</summary>
internal sealed class Report(DjangoDatabase source, bool isDryRun)
{
    private readonly List<string> _noted = [];
    private long _imported;
    private decimal _tokens;

    public List<string> Refused { get; } = [];
    public long Known { get; set; }
    public long Chats { get; set; }

    public void Add(DjangoUser user)
    {
        if (user.Refusal is not null)
        {
            Refused.Add(Line(user, user.Refusal));
            return;
        }

        _imported++;
        _tokens += user.Credits ?? 0;
        _noted.AddRange(user.Notes.Count == 0 ? [] : [Line(user, string.Join("; ", user.Notes))]);
    }

    public void Show(ProgressTask bar)
    {
        bar.Value = _imported + Known + Refused.Count;
        bar.Description = $"{bar.Value:N0} of {source.Users:N0} users, {Chats:N0} chats";
    }

    public void Summarize()
    {
        var table = new Table().AddColumn(isDryRun ? "Dry run: nothing was written" : "Import").AddColumn("");
        foreach (var (what, count) in new (string, decimal)[]
        {
            ("users imported", _imported), ("their chats", Chats), ("their tokens", _tokens),
            ("users here already", Known), ("users not imported", Refused.Count),
            ("chats of nobody, left in Django", source.OrphanedChats),
        })
        {
            table.AddRow(new Text(what), new Text(count.ToString("N0", CultureInfo.InvariantCulture)));
        }

        AnsiConsole.Write(table);
        // Not by Spectre.Console, which breaks lines where a terminal does.
        Refused.ForEach(line => Console.WriteLine($"Not imported: {line}"));
        _noted.ForEach(line => Console.WriteLine($"Imported, and to be looked at: {line}"));
    }

    /// <summary>Names may hold anything, also what a terminal would obey.</summary>
    private static string Line(DjangoUser user, string remark) =>
        string.Concat($"{user.Name} ({user.Number}): {remark}".Select(each => char.IsControl(each) ? '?' : each));
}
