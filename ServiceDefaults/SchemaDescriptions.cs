using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Microsoft.Extensions.Hosting;

/// <summary>The types in the description of an API.</summary>
internal static class SchemaDescriptions
{
    /// <summary>
    /// What is left out when it is null is not required, and neither that nor what must be sent is null. What the
    /// framework does not see is the bounds of a record's parameters.
    /// </summary>
    public static Task DescribeAsync(
        OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        foreach (var member in context.JsonTypeInfo.Properties)
        {
            var isLeftOut = Has<JsonIgnoreAttribute>(member);
            if (isLeftOut)
            {
                schema.Required?.Remove(member.Name);
            }

            if (schema.Properties?.TryGetValue(member.Name, out var found) == true && found is OpenApiSchema described)
            {
                described.Type &= isLeftOut || Has<RequiredAttribute>(member) ? ~JsonSchemaType.Null : described.Type;
                Bound(described, member.AssociatedParameter?.AttributeProvider);
            }
        }

        return Task.CompletedTask;
    }

    private static void Bound(OpenApiSchema schema, ICustomAttributeProvider? parameter)
    {
        foreach (var rule in parameter?.GetCustomAttributes(typeof(ValidationAttribute), inherit: false) ?? [])
        {
            switch (rule)
            {
                case RangeAttribute range:
                    schema.Minimum = Text(range.Minimum);
                    schema.Maximum = Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture) < long.MaxValue
                        ? Text(range.Maximum)
                        : null;
                    break;
                case StringLengthAttribute length:
                    schema.MaxLength = length.MaximumLength;
                    break;
            }
        }

        static string? Text(object bound) => Convert.ToString(bound, CultureInfo.InvariantCulture);
    }

    private static bool Has<TAttribute>(JsonPropertyInfo member) =>
        member.AttributeProvider?.IsDefined(typeof(TAttribute), inherit: false) == true
        || member.AssociatedParameter?.AttributeProvider?.IsDefined(typeof(TAttribute), inherit: false) == true;
}
