using System.Collections.Frozen;

namespace Identity.Service;

/// <summary>
/// The passwords that are tried first: the 30,000 most common ones of the list in the package zxcvbn-core, of which
/// 11,611 are long enough to be chosen here. NIST SP 800-63B, 5.1.1.2: refuse "commonly-used" values.
/// </summary>
internal static class CommonPasswords
{
    private const string Resource = "zxcvbn-core.Dictionaries.passwords.lst";

    private static readonly Lazy<FrozenSet<string>> List =
        new(() => Read().ToFrozenSet(StringComparer.OrdinalIgnoreCase));

    /// <summary>Gets how many of them are long enough to be chosen.</summary>
    public static int Count => List.Value.Count;

    /// <summary>Whether a password is one of them, in whatever case.</summary>
    /// <param name="password">What a user wants to be known by.</param>
    public static bool Contains(string password) => List.Value.Contains(password);

    private static IEnumerable<string> Read()
    {
        using var stream = typeof(Zxcvbn.Zxcvbn).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The package zxcvbn-core has no list '{Resource}' any more.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Trim() is { Length: >= User.MinPasswordLength } password)
            {
                yield return password;
            }
        }
    }
}
