using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A text with values in it that are known only when the application runs.</summary>
public class ReferenceExpression : IManifestExpressionProvider, IValueProvider
{
    /// <summary>The format that makes a value fit into a URI: <c>{password:uri}</c>.</summary>
    internal const string UriFormat = "uri";

    private ReferenceExpression(
        string format, IReadOnlyList<IValueProvider> valueProviders, IReadOnlyList<string?> stringFormats)
    {
        Format = format;
        ValueProviders = valueProviders;
        StringFormats = stringFormats;
    }

    /// <summary>The text, with <c>{0}</c>, <c>{1}</c> … for the values.</summary>
    public string Format { get; }

    /// <summary>The values.</summary>
    public IReadOnlyList<IValueProvider> ValueProviders { get; }

    /// <summary>The format of each value: <c>uri</c> for one that is percent-encoded, or null.</summary>
    public IReadOnlyList<string?> StringFormats { get; }

    /// <inheritdoc/>
    public string ValueExpression => string.Format(
        CultureInfo.InvariantCulture,
        Format,
        [.. ValueProviders.Select(value => ((IManifestExpressionProvider)value).ValueExpression)]);

    /// <summary>Makes an expression of an interpolated string; its holes take strings and values.</summary>
    /// <param name="handler">The interpolated string.</param>
    /// <returns>The expression.</returns>
    public static ReferenceExpression Create(in ExpressionInterpolatedStringHandler handler) =>
        new(handler.Format.ToString(), handler.Values, handler.Formats);

    /// <inheritdoc/>
    public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken)
    {
        var values = new object?[ValueProviders.Count];
        for (var i = 0; i < values.Length; i++)
        {
            var value = await ValueProviders[i].GetValueAsync(cancellationToken);
            values[i] = StringFormats[i] == UriFormat ? Uri.EscapeDataString(value ?? "") : value;
        }

        return string.Format(CultureInfo.InvariantCulture, Format, values);
    }

    /// <summary>Takes an interpolated string apart.</summary>
    /// <param name="literalLength">How long its literal parts are.</param>
    /// <param name="formattedCount">How many holes it has.</param>
    [InterpolatedStringHandler]
    public ref struct ExpressionInterpolatedStringHandler(int literalLength, int formattedCount)
    {
        internal StringBuilder Format { get; } = new(literalLength);

        internal List<IValueProvider> Values { get; } = new(formattedCount);

        internal List<string?> Formats { get; } = new(formattedCount);

        /// <summary>Takes a literal part.</summary>
        /// <param name="value">The text.</param>
        public void AppendLiteral(string value) =>
            Format.Append(value
                .Replace("{", "{{", StringComparison.Ordinal)
                .Replace("}", "}}", StringComparison.Ordinal));

        /// <summary>Takes a hole with a fixed text.</summary>
        /// <param name="value">The text.</param>
        public void AppendFormatted(string? value) => AppendLiteral(value ?? "");

        /// <summary>Takes a hole with a value.</summary>
        /// <typeparam name="T">The value's type.</typeparam>
        /// <param name="valueProvider">The value.</param>
        public void AppendFormatted<T>(T valueProvider) where T : IValueProvider, IManifestExpressionProvider =>
            AppendFormatted(valueProvider, format: null);

        /// <summary>Takes a hole with a value and a format.</summary>
        /// <typeparam name="T">The value's type.</typeparam>
        /// <param name="valueProvider">The value.</param>
        /// <param name="format"><c>uri</c> for a value that is to be percent-encoded; none when null.</param>
        public void AppendFormatted<T>(T valueProvider, string? format = null)
            where T : IValueProvider, IManifestExpressionProvider
        {
            Format.Append('{').Append(Values.Count).Append('}');
            Values.Add(valueProvider);
            Formats.Add(format is null or UriFormat
                ? format
                : throw new FormatException($"The format '{format}' is not known; only '{UriFormat}' is."));
        }
    }
}
