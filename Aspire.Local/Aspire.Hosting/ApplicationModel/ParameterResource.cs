using System.Security.Cryptography;
using Aspire.Hosting.Publishing;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A value given from outside: <c>Parameters:{name}</c> of the configuration, or else its default.</summary>
/// <param name="name">The name.</param>
/// <param name="callback">Gets the value, given the default.</param>
/// <param name="secret">Whether it must not be shown.</param>
public class ParameterResource(string name, Func<ParameterDefault?, string> callback, bool secret = false)
    : Resource(name), IManifestExpressionProvider, IValueProvider
{
    private readonly Lazy<string> _value = new(() => callback(null));

    /// <summary>Whether it must not be shown.</summary>
    public bool Secret { get; } = secret;

    /// <summary>The default, if there is one.</summary>
    public ParameterDefault? Default { get; set; }

    /// <inheritdoc/>
    public string ValueExpression => $"{{{Name}.value}}";

    /// <summary>The value.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The value.</returns>
    /// <exception cref="DistributedApplicationException">Neither a value nor a default is there.</exception>
    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken) => new(_value.Value);

    ValueTask<string?> IValueProvider.GetValueAsync(CancellationToken cancellationToken) =>
        GetValueAsync(cancellationToken);
}

/// <summary>The default of a parameter.</summary>
public abstract class ParameterDefault
{
    /// <summary>A default value.</summary>
    /// <returns>The value.</returns>
    public abstract string GetDefaultValue();

    /// <summary>Writes the properties of the default into a manifest.</summary>
    /// <param name="context">The manifest.</param>
    public abstract void WriteToManifest(ManifestPublishingContext context);
}

/// <summary>A default that is shown in a manifest.</summary>
internal sealed class ConstantParameterDefault(string value) : ParameterDefault
{
    public override string GetDefaultValue() => value;

    public override void WriteToManifest(ManifestPublishingContext context) =>
        context.Writer.WriteString("value", value);
}

/// <summary>A random default, for passwords and keys.</summary>
public sealed class GenerateParameterDefault : ParameterDefault
{
    private const string Letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ0123456789";

    /// <summary>128 bits and more.</summary>
    private const int SafeLength = 22;

    /// <summary>How many characters it has at least.</summary>
    public int MinLength { get; set; } = SafeLength;

    /// <summary>A random value: letters and digits, which need no quoting in connection strings and URLs.</summary>
    /// <returns>At least <see cref="MinLength"/> characters, and never fewer than 22 (128 bits).</returns>
    public override string GetDefaultValue() =>
        RandomNumberGenerator.GetString(Letters, Math.Max(MinLength, SafeLength));

    /// <inheritdoc/>
    public override void WriteToManifest(ManifestPublishingContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Writer.WriteStartObject("generate");
        context.Writer.WriteNumber("minLength", MinLength);
        context.Writer.WriteBoolean("special", false); // As here: connection strings take it unquoted.
        context.Writer.WriteEndObject();
    }
}
