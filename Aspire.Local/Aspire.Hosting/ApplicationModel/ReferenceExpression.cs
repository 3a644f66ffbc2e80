using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A text with values in it that are known only when the application runs.</summary>
public class ReferenceExpression : IManifestExpressionProvider, IValueProvider
{
    private ReferenceExpression(string format, IReadOnlyList<IValueProvider> valueProviders)
    {
        Format = format;
        ValueProviders = valueProviders;
    }

    /// <summary>The text, with <c>{0}</c>, <c>{1}</c> … for the values.</summary>
    public string Format { get; }

    /// <summary>The values.</summary>
    public IReadOnlyList<IValueProvider> ValueProviders { get; }

    /// <inheritdoc/>
    public string ValueExpression => string.Format(
        CultureInfo.InvariantCulture,
        Format,
        [.. ValueProviders.Select(value => ((IManifestExpressionProvider)value).ValueExpression)]);

    /// <summary>Makes an expression of an interpolated string; its holes take strings and values.</summary>
    /// <param name="handler">The interpolated string.</param>
    /// <returns>The expression.</returns>
    public static ReferenceExpression Create(in ExpressionInterpolatedStringHandler handler) =>
        new(handler.Format.ToString(), handler.Values);

    /// <inheritdoc/>
    public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default)
    {
        var values = new object?[ValueProviders.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = await ValueProviders[i].GetValueAsync(cancellationToken);
        }

        return string.Format(CultureInfo.InvariantCulture, Format, values);
    }

    /// <summary>Takes an interpolated string apart.</summary>
    /// <param name="literalLength">How long its literal parts are.</param>
    /// <param name="formattedCount">How many holes it has.</param>
    [InterpolatedStringHandler]
    public readonly ref struct ExpressionInterpolatedStringHandler(int literalLength, int formattedCount)
    {
        internal StringBuilder Format { get; } = new(literalLength);

        internal List<IValueProvider> Values { get; } = new(formattedCount);

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
        public void AppendFormatted<T>(T valueProvider) where T : IValueProvider, IManifestExpressionProvider
        {
            Format.Append('{').Append(Values.Count).Append('}');
            Values.Add(valueProvider);
        }
    }
}
