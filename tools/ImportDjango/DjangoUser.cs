using System.Globalization;
using Identity.Service;
using Microsoft.Extensions.Hosting;

namespace ImportDjango;

/// <summary>A chat of the Django project, as it is written there.</summary>
internal sealed record DjangoChat(string Id, string Message, string Response, string WrittenTime)
{
    public DateTimeOffset? Time { get; } = DjangoUser.Time(WrittenTime);
    public int Length => Message.Length + Response.Length;
    public Guid KeyOf(DjangoUser user) => IdempotencyKey.ToTransferId(user.UserId, "imported chat", Id);
}

/// <summary>A user of the Django project, as it is written there, and what becomes of the user here.</summary>
internal sealed record DjangoUser(
    object Id, string Name, string Password, string? Joined, bool IsActive, bool IsSuperuser, object? Tokens)
{
    private const long MaxTokens = (1L << 53) - 1; // As in the ledger.

    public string Number => Convert.ToString(Id, CultureInfo.InvariantCulture)!;

    /// <summary>
    /// The same in every run, and another one for users of another Django project: nobody changes when they joined,
    /// and nobody joins in the same microsecond as somebody of the same number elsewhere.
    /// </summary>
    public Guid Key => IdempotencyKey.ToTransferId(0, "django user", $"{Number}\n{Joined ?? Name}");

    /// <summary>As names are compared here. Those with other letters than ASCII are refused.</summary>
    public string NormalizedName => Name.ToUpperInvariant();

    public DateTimeOffset Created => (Joined is null ? null : Time(Joined)) ?? DateTimeOffset.UtcNow;

    // Here: the id, what the account opens with (null for what a new user has), Django's hash if it can be verified.
    public long UserId { get; set; }
    public long? Credits => Tokens is long tokens ? Math.Max(0, tokens) : null;
    public string Hash => WhyNoPassword() is null ? Password : User.NoPassword;

    // Why the user cannot come, or null; and what an operator should know.
    public string? Refusal { get; set; }
    public HashSet<string> Notes { get; } = [];

    /// <summary>Times as Django writes them to SQLite: <c>2025-01-06 12:34:56.789012</c>, in UTC.</summary>
    public static DateTimeOffset? Time(string text) => DateTimeOffset.TryParse(
        text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
        out var time) ? time : null;

    /// <summary>Finds out whether the user can come, as far as the row says.</summary>
    public void Judge()
    {
        Refusal = !User.IsName(Name) ? $"the name does not fit. {User.NameRule}"
            : Tokens is null or <= MaxTokens ? null
            : string.Create(CultureInfo.InvariantCulture, $"the balance '{Tokens}' is not a whole number below 2^53");
        Note(Tokens is null ? "has no balance in Django: begins with a new user's" : null);
        Note(Tokens is < 0L ? $"has {Tokens} tokens in Django: begins with 0" : null);
        Note(WhyNoPassword());
        Note(IsSuperuser ? "is a superuser in Django: has no role here" : null);
    }

    public void Note(string? note) => Notes.UnionWith(note is null ? [] : [note]);

    private string? WhyNoPassword() => this switch
    {
        { IsActive: false } => "is not active in Django: cannot log in here",
        { Password: "" or ['!', ..] } => "has no password in Django: cannot log in here",
        _ when DjangoHash.Parse(Password) is not null => null,
        _ => $"has a password that is no {DjangoHash.Prefix}, or of too many iterations: cannot log in here",
    };
}
