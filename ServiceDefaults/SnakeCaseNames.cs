using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.Extensions.Hosting;

/// <summary>Values of an enum by their names: <c>unknown_hold</c>. Numbers are none.</summary>
/// <typeparam name="TEnum">The enum.</typeparam>
public sealed class SnakeCaseNames<TEnum>() : JsonStringEnumConverter<TEnum>(
    JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where TEnum : struct, Enum;
