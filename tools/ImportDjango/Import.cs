using Microsoft.Extensions.Hosting;

namespace ImportDjango;

/// <summary>
/// Brings users of a Django project here by pages, in steps that may be repeated: their ids, their accounts, their
/// chats, and last the users, who cannot log in before. Whatever cuts it off, the next run goes on.
/// </summary>
internal sealed class Import(DjangoDatabase source, Databases target, Report report, bool isDryRun)
{
    private const string NameTaken = "the name is taken here (case does not count)";
    private const int MaxBatchChats = 500;

    // How many characters of chats are sent at once, unless a single one has more.
    private const int MaxBatchCharacters = 1 << 20;
    private const int MaxChatCharacters = 64 << 20;

    private readonly Dictionary<string, string> _seen = [];

    /// <summary>Brings all users who are not here yet, or in a dry run looks at them.</summary>
    public async Task RunAsync(Action progressed)
    {
        if (await target.Identity.ReadAsync(Statements.HasMap, row => row.GetBoolean(0)) is [false])
        {
            await target.Identity.ReadAsync(isDryRun ? Statements.EmptyMap : Statements.Map, _ => 0);
        }

        foreach (var page in source.ReadUsers())
        {
            await SelectAsync(page);
            if (!isDryRun)
            {
                await OpenAccountsAsync(page.FindAll(user => user is { Refusal: null, Credits: not null }));
            }

            await StoreChatsAsync(page, progressed);
            if (!isDryRun)
            {
                await FinishAsync(page.FindAll(user => user.Refusal is null));
            }

            page.ForEach(report.Add);
            progressed();
        }
    }

    /// <summary>Finds out who cannot come, gives the others their ids, and leaves out who is here already.</summary>
    private async Task SelectAsync(List<DjangoUser> page)
    {
        var names = page.Select(user => user.NormalizedName).ToArray();
        var taken = await target.Identity.ReadAsync(Statements.Taken, row => row.GetString(0), [names]);
        foreach (var user in page)
        {
            user.Judge();
            user.Refusal ??= !_seen.TryAdd(user.NormalizedName, user.Number)
                ? $"the name differs from that of user {_seen[user.NormalizedName]} in case alone"
                : taken.Contains(user.NormalizedName) ? NameTaken : null;
        }

        if (!isDryRun)
        {
            var fit = page.Where(user => user.Refusal is null).Select(user => user.Key).ToArray();
            await target.Identity.ReadAsync(Statements.Reserve, _ => 0, fit);
        }

        var known = (await target.Identity.ReadAsync(
            Statements.Known, row => (Key: row.GetGuid(0), Id: row.GetInt64(1), IsDone: row.GetBoolean(2)),
            page.Select(user => user.Key).ToArray())).ToDictionary(row => row.Key);
        page.ForEach(user => user.UserId = known.GetValueOrDefault(user.Key).Id);
        report.Known += page.RemoveAll(user => known.GetValueOrDefault(user.Key).IsDone);
    }

    private async Task OpenAccountsAsync(List<DjangoUser> users)
    {
        object[] accounts =
        [
            users.Select(user => user.UserId).ToArray(), users.Select(user => user.Credits!.Value).ToArray(),
            // The id by which the ledger finds the transfer.
            users.Select(user => IdempotencyKey.ToTransferId(user.UserId, "opening", "opening")).ToArray(),
        ];
        await target.Ledger.ReadAsync(Statements.OpenAccounts, _ => 0, accounts);
        var opened = await target.Ledger.ReadAsync(Statements.OpenedAccounts, row => row.GetInt64(0), accounts);
        Refuse(users.ExceptBy(opened, user => user.UserId), "an earlier run opened the account with other tokens");
    }

    /// <summary>Stores the users' chats in batches, each user's in the order in which they were.</summary>
    private async Task StoreChatsAsync(List<DjangoUser> users, Action progressed)
    {
        var batch = new List<(DjangoUser User, DjangoChat Chat)>();
        var characters = 0;
        foreach (var (user, chat) in users.SelectMany(ChatsOf))
        {
            if (batch.Count == MaxBatchChats || characters + chat.Length > MaxBatchCharacters)
            {
                await StoreAsync(batch);
                progressed();
                characters = 0;
            }

            batch.Add((user, chat));
            characters += chat.Length;
        }

        await StoreAsync(batch);
    }

    /// <summary>Reads a user's chats up to one that cannot be stored, whose user is refused.</summary>
    private IEnumerable<(DjangoUser User, DjangoChat Chat)> ChatsOf(DjangoUser user)
    {
        foreach (var chat in user.Refusal is null ? source.ReadChats(user) : [])
        {
            user.Refusal ??= chat.Time is null ? $"the time of chat {chat.Id} cannot be read: '{chat.WrittenTime}'"
                : chat.Length > MaxChatCharacters ? $"chat {chat.Id} is too long" : null;
            if (user.Refusal is not null)
            {
                yield break;
            }

            yield return (user, chat);
        }
    }

    private async Task StoreAsync(List<(DjangoUser User, DjangoChat Chat)> batch)
    {
        report.Chats += batch.Count;
        object[] chats =
        [
            batch.Select(each => each.User.UserId).ToArray(),
            batch.Select(each => each.Chat.KeyOf(each.User)).ToArray(),
            batch.Select(each => Storable(each.User, each.Chat.Message)).ToArray(),
            batch.Select(each => Storable(each.User, each.Chat.Response)).ToArray(),
            batch.Select(each => each.Chat.Time!.Value).ToArray(),
        ];
        if (!isDryRun)
        {
            await target.Chat.ReadAsync(Statements.AddChats, _ => 0, chats);
            var others = await target.Chat.ReadAsync(Statements.OtherChats, row => row.GetInt64(0), chats);
            var users = batch.Select(each => each.User).Where(user => others.Contains(user.UserId));
            Refuse(users, "an earlier run stored a chat with other words, or another time");
        }

        batch.Clear();
    }

    private async Task FinishAsync(List<DjangoUser> users)
    {
        var finished = await target.Identity.ReadAsync(
            Statements.Finish, row => row.GetInt64(0),
            users.Select(user => user.UserId).ToArray(), users.Select(user => user.Name).ToArray(),
            users.Select(user => user.NormalizedName).ToArray(), users.Select(user => user.Hash).ToArray(),
            users.Select(user => user.Created).ToArray());
        Refuse(users.ExceptBy(finished, user => user.UserId), NameTaken);
    }

    private static void Refuse(IEnumerable<DjangoUser> users, string why) =>
        users.ToList().ForEach(user => user.Refusal = why);

    /// <summary>PostgreSQL's texts have no NUL characters.</summary>
    private static string Storable(DjangoUser user, string text)
    {
        user.Note(text.Contains('\0') ? "has chats with NUL characters, which are now U+FFFD" : null);
        return text.Replace('\0', '\uFFFD');
    }
}
