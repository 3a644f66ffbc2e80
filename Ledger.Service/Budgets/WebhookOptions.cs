using System.ComponentModel.DataAnnotations;

namespace Ledger.Service.Budgets;

/// <summary>The section <c>Ledger:Webhook</c> of the configuration: who is told of limits.</summary>
internal sealed class WebhookOptions : IValidatableObject
{
    private const string SecretPrefix = "whsec_";

    /// <summary>Where events go; none are sent when it is empty.</summary>
    public string? Url { get; init; }

    /// <summary>What signs them: <c>whsec_</c> and 24 to 64 bytes of base64, as Standard Webhooks has it.</summary>
    public string? Secret { get; init; }

    /// <summary>How long the receiver may take. What failed is sent again after twice as long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00", ErrorMessage = "'Ledger:Webhook:Timeout' is 100 ms to 1 min.")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The address, when there is one.</summary>
    public Uri? ToAddress() => string.IsNullOrEmpty(Url) ? null : new(Url);

    /// <summary>What signs events to the address.</summary>
    public byte[] ToKey() => Convert.FromBase64String(Secret![SecretPrefix.Length..]);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (string.IsNullOrEmpty(Url))
        {
            yield break;
        }

        if (!Uri.TryCreate(Url, UriKind.Absolute, out var url)
            || url is not { Scheme: "http" or "https", UserInfo: "" })
        {
            yield return new("'Ledger:Webhook:Url' must be an address such as https://example.com/hook, without a "
                + "user or password.");
        }

        var bytes = new byte[65];
        if (Secret?.StartsWith(SecretPrefix, StringComparison.Ordinal) is not true
            || !Convert.TryFromBase64String(Secret[SecretPrefix.Length..], bytes, out var length)
            || length is < 24 or > 64)
        {
            yield return new("'Ledger:Webhook:Secret' must be 'whsec_' and 24 to 64 bytes of base64, such as "
                + "$(openssl rand -base64 32) gives.");
        }
    }
}
