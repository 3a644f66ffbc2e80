using System.ComponentModel;
using System.Reflection;
using Microsoft.Extensions.Options;

namespace Gateway.Edge;

/// <summary>
/// Sections of the configuration. What the framework would ignore in silence (a setting that nobody knows, a value
/// where a list or a section belongs) stops the start with a sentence.
/// </summary>
internal static class Settings
{
    /// <summary>Adds a section. What is wrong with it stops the start.</summary>
    /// <typeparam name="TSettings">What it is read into.</typeparam>
    /// <param name="builder">The gateway's builder.</param>
    /// <param name="section">The section's name.</param>
    /// <returns>The options' builder.</returns>
    public static OptionsBuilder<TSettings> AddSettings<TSettings>(this IHostApplicationBuilder builder, string section)
        where TSettings : class
    {
        builder.Services.AddSingleton<IValidateOptions<TSettings>>(
            new Understood<TSettings>(builder.Configuration.GetSection(section)));
        return builder.Services.AddOptions<TSettings>().BindConfiguration(section)
            .ValidateDataAnnotations().ValidateOnStart();
    }

    /// <summary>What in a section nobody would read, in a sentence.</summary>
    /// <param name="section">The section.</param>
    /// <param name="type">What it is read into.</param>
    /// <returns>A sentence for each setting.</returns>
    public static IEnumerable<string> Problems(IConfigurationSection section, Type type)
    {
        var children = section.GetChildren().ToList();
        if (TypeDescriptor.GetConverter(type).CanConvertFrom(typeof(string)))
        {
            return children.Select(child => $"'{section.Path}' is one value: there is no '{child.Path}'.");
        }

        if (section.Value is { Length: > 0 })
        {
            var isList = ItemOf(type) is not null;
            return
            [
                $"'{section.Path}' is {(isList ? "a list" : "a section")}, and not the value '{section.Value}': "
                    + $"set '{section.Path}:{(isList ? "0" : "…")}'.",
            ];
        }

        return children.SelectMany(child => TypeOf(child.Key, type) is { } known
            ? Problems(child, known)
            : [$"There is no setting '{child.Path}'."]);
    }

    /// <summary>What a part of a section is read into; null when nobody knows it.</summary>
    private static Type? TypeOf(string key, Type type) => ItemOf(type) is { } item
        ? int.TryParse(key, out _) ? item : null
        : type.GetProperty(key, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase)?.PropertyType;

    private static Type? ItemOf(Type type) =>
        type.IsArray ? type.GetElementType() : type.IsGenericType ? type.GetGenericArguments()[0] : null;

    private sealed class Understood<TSettings>(IConfigurationSection section) : IValidateOptions<TSettings>
        where TSettings : class
    {
        public ValidateOptionsResult Validate(string? name, TSettings options) =>
            Problems(section, typeof(TSettings)).ToList() is { Count: > 0 } problems
                ? ValidateOptionsResult.Fail(problems)
                : ValidateOptionsResult.Success;
    }
}
