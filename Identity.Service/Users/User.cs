using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Identity;

namespace Identity.Service;

/// <summary>A user. The id is the account's number in every service, and <c>sub</c> in access tokens.</summary>
public sealed partial class User : IdentityUser<long>
{
    /// <summary>The unique index on the upper-cased name: names that differ in case only are the same name.</summary>
    internal const string UniqueNameIndex = "ix_users_normalized_user_name";

    /// <summary>The longest name, in characters.</summary>
    internal const int MaxNameLength = 150;

    /// <summary>What a name is.</summary>
    internal const string NamePattern = @"^[A-Za-z0-9@.+_-]{1,150}\z";

    /// <summary><see cref="NamePattern"/> in words.</summary>
    internal const string NameRule = "A username has 1 to 150 characters: ASCII letters, digits and @ . + - _.";

    /// <summary>The shortest password, in characters.</summary>
    internal const int MinPasswordLength = 8;

    /// <summary>The longest password, in characters.</summary>
    internal const int MaxPasswordLength = 128;

    /// <summary>The rule of passwords in words.</summary>
    internal const string PasswordRule =
        "A password has 8 to 128 characters and is none of the common ones, which are tried first.";

    /// <summary>What to send for a password change, beside the new one. A password may be of spaces alone.</summary>
    internal const string OldPasswordRule = "Send the password in use as 'old'.";

    /// <summary>What to send to delete the account.</summary>
    internal const string PasswordInUseRule = "Send the 'password' in use.";

    /// <summary>The rule that needs the name beside the password, in words.</summary>
    internal const string PasswordIsNameRule = "The password is the username. Choose another.";

    /// <summary>In place of a hash: no password is this user's.</summary>
    internal const string NoPassword = "!";

    /// <summary>When the user registered.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the user left; null while they stay. What is left of the row then is on its way out.</summary>
    public DateTimeOffset? LeavingAt { get; init; }

    /// <summary>The credits that the account opens with.</summary>
    public long OpeningCredits { get; set; }

    /// <summary>When an administrator disabled the user; null when the user may log in.</summary>
    public DateTimeOffset? DisabledAt { get; init; }

    /// <summary>Whether the password has to be changed before the next login.</summary>
    public bool MustChangePassword { get; init; }

    /// <summary>
    /// What a user who leaves has in place of a name. Nobody can be called that: names have no spaces.
    /// </summary>
    /// <param name="id">The user's number.</param>
    internal static string NoName(long id) => string.Create(CultureInfo.InvariantCulture, $"LEFT {id}");

    /// <summary>Whether a password is the user's name, in whatever case.</summary>
    /// <param name="name">The name.</param>
    /// <param name="password">The password.</param>
    internal static bool IsNameAsPassword(string name, string password) =>
        string.Equals(name, password, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a text can be a user's name. One that cannot is never looked up.</summary>
    /// <param name="text">What a caller sent.</param>
    internal static bool IsName(string text) => NameRegex().IsMatch(text);

    [GeneratedRegex(NamePattern)]
    private static partial Regex NameRegex();
}
