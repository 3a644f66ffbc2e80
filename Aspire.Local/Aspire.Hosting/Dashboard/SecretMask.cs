using System.Text.RegularExpressions;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Dashboard;

/// <summary>Takes secrets out of what is shown: they do not leave the AppHost.</summary>
internal sealed partial class SecretMask
{
    private const string Mask = "••••••••";

    private readonly IReadOnlyList<string> _secrets;

    private SecretMask(IEnumerable<string> secrets) => _secrets =
    [
        // As they are, and as they stand in URIs. The longest first: one may be part of another.
        .. secrets.Where(secret => secret.Length > 0)
            .SelectMany(secret => new[] { secret, Uri.EscapeDataString(secret) })
            .Distinct().OrderByDescending(secret => secret.Length),
    ];

    /// <summary>Knows the secret parameters of an application.</summary>
    public static async Task<SecretMask> OfAsync(
        IEnumerable<IResource> resources, IEnumerable<string> others, CancellationToken cancellationToken)
    {
        var secrets = others.ToList();
        foreach (var parameter in resources.OfType<ParameterResource>().Where(parameter => parameter.Secret))
        {
            secrets.Add(await ValueOfAsync(parameter, cancellationToken));
        }

        return new SecretMask(secrets);
    }

    /// <summary>A parameter's value; empty when it has none: who needs it says so.</summary>
    public static async Task<string> ValueOfAsync(ParameterResource parameter, CancellationToken cancellationToken)
    {
        try
        {
            return await parameter.GetValueAsync(cancellationToken) ?? "";
        }
        catch (DistributedApplicationException)
        {
            return "";
        }
    }

    /// <summary>Masks what is secret in a variable, or all of it where its name says that it is.</summary>
    public (string Value, bool IsMasked) Apply(string name, string value)
    {
        if (value.Length > 0 && SecretName().IsMatch(name))
        {
            return (Mask, true);
        }

        var shown = Apply(value);
        // Of servers outside, whose passwords are no parameters.
        shown = PasswordOfUri().Replace(PasswordOfConnection().Replace(shown, $"$1{Mask}"), $"$1{Mask}@");
        return (shown, shown != value);
    }

    /// <summary>Masks the application's secrets in a text.</summary>
    public string Apply(string text) => _secrets.Aggregate(
        text, (shown, secret) => shown.Replace(secret, Mask, StringComparison.Ordinal));

    /// <summary>
    /// Masks the secrets in a text whose rest was cut off: the beginning of one that stands at its end goes too.
    /// </summary>
    public string ApplyToCut(string text)
    {
        while (_secrets.Select(secret => BegunAtEnd(text, secret)).DefaultIfEmpty().Max() is > 0 and var begun)
        {
            text = text[..^begun]; // What is at the end now may be the beginning of another.
        }

        return Apply(text);
    }

    /// <summary>How many characters at the end of a text are the first ones of a secret.</summary>
    private static int BegunAtEnd(ReadOnlySpan<char> text, ReadOnlySpan<char> secret)
    {
        var begun = Math.Min(text.Length, secret.Length);
        while (!text.EndsWith(secret[..begun], StringComparison.Ordinal))
        {
            begun--;
        }

        return begun;
    }

    [GeneratedRegex("PASSWORD|SECRET|TOKEN|API_?KEY|CREDENTIAL|PRIVATE_?KEY", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex("((?:password|pwd)\\s*=\\s*)('[^']*'|\"[^\"]*\"|[^;,]*)", RegexOptions.IgnoreCase)]
    private static partial Regex PasswordOfConnection();

    [GeneratedRegex("(://[^/@:\\s]*:)[^@\\s]+@")]
    private static partial Regex PasswordOfUri();
}
