using System.Globalization;
using Microsoft.AspNetCore.Identity;

namespace Identity.Service;

/// <summary>
/// Brings users of a Django project here, each in steps that may be repeated: a number, the account with their tokens,
/// their chats, and last the user, who cannot log in before. Whatever cuts it off, the next run goes on.
/// </summary>
/// <param name="store">Keeps which step a user is at.</param>
/// <param name="targets">The other services.</param>
/// <param name="names">Makes names of different case one.</param>
internal sealed class DjangoImport(ImportStore store, ImportTargets targets, ILookupNormalizer names)
{
    /// <summary>Why a name is refused that somebody has here.</summary>
    public const string NameTaken = "the name is taken here (case does not count)";

    /// <summary>Most tokens of an account, as in the ledger.</summary>
    private const long MaxTokens = (1L << 53) - 1;

    /// <summary>Users who are brought at once. Most of it is waiting for databases.</summary>
    private const int Parallelism = 8;

    /// <summary>How many characters of chats are sent at once, unless a single one has more.</summary>
    private const int MaxBatchCharacters = 1 << 20;

    /// <summary>Brings all users who are not here yet.</summary>
    /// <param name="source">The Django project.</param>
    /// <param name="report">Learns what becomes of each.</param>
    /// <param name="cancellationToken">Stops it, between two steps or in one.</param>
    /// <exception cref="ImportProblem">It cannot go on.</exception>
    public async Task RunAsync(DjangoDatabase source, ImportReport report, CancellationToken cancellationToken)
    {
        await using var turn = await store.TakeTurnAsync(cancellationToken)
            ?? throw new ImportProblem("Another import is running on this system. Wait for it, or end it.");
        var seen = new Dictionary<string, string>();
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = Parallelism,
            CancellationToken = cancellationToken,
        };
        foreach (var page in source.ReadUsers())
        {
            var wanted = await SelectAsync(page, seen, report, cancellationToken);
            var fresh = wanted.Where(user => user.State is null).Select(user => user.Source.Key).ToArray();
            var reserved = await store.ReserveAsync(fresh, cancellationToken);
            await Parallel.ForEachAsync(wanted, parallel, async (user, stop) =>
                await ImportAsync(source, user.Source, user.State ?? reserved[user.Source.Key], report, stop));
        }
    }

    /// <summary>Leaves out who is here already and who cannot come.</summary>
    private async Task<List<(DjangoUser Source, ImportState? State)>> SelectAsync(
        List<DjangoUser> page,
        Dictionary<string, string> seen,
        ImportReport report,
        CancellationToken cancellationToken)
    {
        var states = await store.ReadAsync([.. page.Select(user => user.Key)], cancellationToken);
        var taken = await store.TakenAsync(
            [.. page.Where(user => User.IsName(user.Name)).Select(user => names.NormalizeName(user.Name))],
            cancellationToken);
        var wanted = new List<(DjangoUser, ImportState?)>();
        foreach (var user in page)
        {
            var state = states.TryGetValue(user.Key, out var known) ? known : (ImportState?)null;
            var refusal = WhyNot(user, seen, taken);
            if (state is { IsFinished: true })
            {
                report.Found(user);
            }
            else if (refusal is not null)
            {
                report.Refuse(user, refusal);
            }
            else
            {
                wanted.Add((user, state));
            }
        }

        return wanted;
    }

    private string? WhyNot(DjangoUser user, Dictionary<string, string> seen, HashSet<string> taken)
    {
        if (!User.IsName(user.Name))
        {
            return $"the name does not fit. {User.NameRule}";
        }

        var name = names.NormalizeName(user.Name);
        return !seen.TryAdd(name, user.Number) ? $"the name differs from that of user {seen[name]} in case alone"
            : taken.Contains(name) ? NameTaken
            : null;
    }

    private async Task ImportAsync(
        DjangoDatabase source, DjangoUser user, ImportState state, ImportReport report, CancellationToken stop)
    {
        try
        {
            var notes = new List<string>();
            var tokens = TokensOf(user, notes);
            if (tokens is { } opening)
            {
                await targets.OpenAccountAsync(state.UserId, opening, stop);
            }

            var chats = await ImportChatsAsync(source, user, state.UserId, notes, stop);
            var refusal = user.WhyNoPassword();
            await store.FinishAsync(
                user, names.NormalizeName(user.Name), refusal is null ? user.Password : User.NoPassword, stop);
            notes.AddRange(refusal is null ? [] : [refusal]);
            notes.AddRange(user.IsSuperuser ? ["is a superuser in Django: has no role here"] : []);
            report.Import(user, tokens ?? 0, chats, notes);
        }
        catch (UserRefused refused)
        {
            report.Refuse(user, refused.Message);
        }
    }

    /// <summary>Sends a user's chats in the order in which they were.</summary>
    /// <returns>How many.</returns>
    private async Task<long> ImportChatsAsync(
        DjangoDatabase source, DjangoUser user, long userId, List<string> notes, CancellationToken stop)
    {
        var (sent, characters, cleaned) = (0L, 0, 0);
        var batch = new List<ChatToStore>();
        foreach (var chat in source.ReadChats(user))
        {
            var time = DjangoTime.Parse(chat.Time)
                ?? throw new UserRefused($"the time of chat {chat.Id} cannot be read: '{chat.Time}'");
            var length = chat.Message.Length + chat.Response.Length;
            if (batch.Count == ImportTargets.MaxChats || (batch.Count > 0 && characters + length > MaxBatchCharacters))
            {
                await SendAsync();
            }

            var key = IdempotencyKey.ToTransferId(userId, "imported chat", chat.Id);
            var (message, response) = (Storable(chat.Message), Storable(chat.Response));
            batch.Add(new(key, message, response, time));
            characters += length;
            cleaned += message != chat.Message || response != chat.Response ? 1 : 0;
        }

        if (batch.Count > 0)
        {
            await SendAsync();
        }

        notes.AddRange(cleaned == 0 ? [] : [$"{cleaned} chats had NUL characters, which are now U+FFFD"]);
        return sent;

        async Task SendAsync()
        {
            await targets.StoreChatsAsync(userId, batch, stop);
            sent += batch.Count;
            characters = 0;
            batch.Clear();
        }
    }

    /// <summary>PostgreSQL's texts have no NUL characters.</summary>
    private static string Storable(string text) => text.Replace('\0', '\uFFFD');

    private static long? TokensOf(DjangoUser user, List<string> notes)
    {
        switch (user.Tokens)
        {
            case null:
                notes.Add("has no balance in Django: begins with a new user's");
                return null;
            case < 0L and var debt:
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"has {debt} tokens in Django: begins with 0"));
                return 0;
            case long whole and <= MaxTokens:
                return whole;
            default:
                throw new UserRefused(string.Create(
                    CultureInfo.InvariantCulture, $"the balance '{user.Tokens}' is not a whole number below 2^53"));
        }
    }
}
