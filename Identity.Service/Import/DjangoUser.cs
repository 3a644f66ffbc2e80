using System.Globalization;

namespace Identity.Service;

/// <summary>A user of the Django project.</summary>
/// <param name="Id">The primary key: a number, or a UUID's text.</param>
/// <param name="Name">The name.</param>
/// <param name="Password">The password's hash, of whatever kind.</param>
/// <param name="Joined">When they joined, as it is written there; null when it is not.</param>
/// <param name="IsActive">Whether they may log in there.</param>
/// <param name="IsSuperuser">Whether they may do anything there.</param>
/// <param name="Tokens">What they have: a whole number, it is hoped; null when there is no row.</param>
internal sealed record DjangoUser(
    object Id, string Name, string Password, string? Joined, bool IsActive, bool IsSuperuser, object? Tokens)
{
    private const int MaxKindLength = 30;

    /// <summary>Gets the primary key as text.</summary>
    public string Number => Convert.ToString(Id, CultureInfo.InvariantCulture)!;

    /// <summary>
    /// Gets the user's name here, the same in every run, and another one for users of another Django project: nobody
    /// changes when they joined, and nobody joins in the same microsecond as somebody of the same number elsewhere.
    /// </summary>
    public Guid Key => IdempotencyKey.ToTransferId(0, "django user", $"{Number}\n{Joined ?? Name}");

    /// <summary>Gets when they joined; null when that cannot be read.</summary>
    public DateTimeOffset? JoinedAt => Joined is null ? null : DjangoTime.Parse(Joined);

    /// <summary>Whether a password can be this user's here, and why not.</summary>
    /// <returns>The reason; null when there is one.</returns>
    public string? WhyNoPassword() => this switch
    {
        { IsActive: false } => "is not active in Django: cannot log in here",
        { Password: "" or ['!', ..] } => "has no password in Django: cannot log in here",
        _ when DjangoHash.Parse(Password) is not null => null,
        _ when Password.StartsWith(DjangoHash.Prefix, StringComparison.Ordinal) =>
            "has a password of too many iterations, or cut short: cannot log in here",
        _ => $"has a password of another kind ({Kind()}): cannot log in here",
    };

    /// <summary>The name before the first <c>$</c>. What looks like no name may be the hash itself.</summary>
    private string Kind() => Password.Split('$') is [{ Length: > 0 and < MaxKindLength } kind, _, ..]
        && kind.All(each => char.IsAsciiLetterOrDigit(each) || each == '_') ? kind : "unknown";
}
