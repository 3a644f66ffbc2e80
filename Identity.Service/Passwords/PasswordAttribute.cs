using System.ComponentModel.DataAnnotations;
using System.Text;

namespace Identity.Service;

/// <summary>
/// What a new password must be: <see cref="User.PasswordRule"/>. Of its characters there is no rule, since rules about
/// them make passwords easier to guess (NIST SP 800-63B, 5.1.1.2). A missing one is left to [Required].
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class PasswordAttribute : ValidationAttribute
{
    /// <summary>Makes the attribute with its sentence.</summary>
    public PasswordAttribute()
        : base(User.PasswordRule)
    {
    }

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || (value is string password && Fits(password));

    /// <summary>Whether a text can be a password.</summary>
    /// <param name="password">The text.</param>
    internal static bool Fits(string password) =>
        // Characters, not halves of them (NIST SP 800-63B, 5.1.1.2: "each Unicode code point").
        OneForm(password).EnumerateRunes().Count() is >= User.MinPasswordLength and <= User.MaxPasswordLength
        && !CommonPasswords.Contains(password);

    /// <summary>
    /// The same password whether its letters were typed whole or with their marks apart (RFC 8265, 4.2.2: NFC), which
    /// is up to the keyboard. Halves of characters, which have no such form, stay as they are.
    /// </summary>
    /// <param name="password">What was sent.</param>
    internal static string OneForm(string password) => Form(password, NormalizationForm.FormC);

    /// <summary>Both forms of a password, or the one where they are the same.</summary>
    /// <param name="password">What was sent.</param>
    internal static IEnumerable<string> Forms(string password) =>
        new[] { OneForm(password), Form(password, NormalizationForm.FormD) }.Distinct();

    private static string Form(string password, NormalizationForm form)
    {
        try
        {
            return password.Normalize(form);
        }
        catch (ArgumentException)
        {
            return password;
        }
    }
}
