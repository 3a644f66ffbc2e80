using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;

namespace Aspire.Hosting;

/// <summary>Adds parameters.</summary>
public static class ParameterResourceBuilderExtensions
{
    /// <summary>Adds a parameter whose value must be given: <c>Parameters:{name}</c>.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name.</param>
    /// <param name="secret">Whether it must not be shown.</param>
    /// <returns>The parameter.</returns>
    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder, string name, bool secret = false) =>
        builder.AddParameter(name, secret, byDefault: null);

    /// <summary>Adds a parameter with a value that the configuration may replace.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name.</param>
    /// <param name="value">The value.</param>
    /// <param name="publishValueAsDefault">Whether a manifest shows the value.</param>
    /// <param name="secret">Whether it must not be shown.</param>
    /// <returns>The parameter.</returns>
    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder,
        string name,
        string value,
        bool publishValueAsDefault = false,
        bool secret = false)
    {
        var parameter = builder.AddParameter(name, secret, byDefault: () => value);
        parameter.Resource.Default = publishValueAsDefault ? new ConstantParameterDefault(value) : null;
        return parameter;
    }

    /// <summary>Adds a parameter with a default.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name.</param>
    /// <param name="value">The default.</param>
    /// <param name="secret">Whether it must not be shown.</param>
    /// <param name="persist">Whether the default is made once and kept in a file that only this user can read.</param>
    /// <returns>The parameter.</returns>
    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder,
        string name,
        ParameterDefault value,
        bool secret = false,
        bool persist = false)
    {
        ArgumentNullException.ThrowIfNull(value);
        var parameter = builder.AddParameter(
            name,
            secret,
            () => persist
                ? AppHostFolders.Of(builder).GetOrAddSecret(name, value.GetDefaultValue)
                : value.GetDefaultValue());
        parameter.Resource.Default = value;
        return parameter;
    }

    /// <summary>A random password that stays the same from run to run.</summary>
    internal static IResourceBuilder<ParameterResource> AddPassword(
        this IDistributedApplicationBuilder builder, string resourceName) =>
        builder.AddParameter($"{resourceName}-password", new GenerateParameterDefault(), secret: true, persist: true);

    private static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder, string name, bool secret, Func<string>? byDefault)
    {
        var key = $"Parameters:{name}";
        return builder.AddResource(new ParameterResource(
            name,
            _ => builder.Configuration[key]
                // Names of environment variables have no dashes: Parameters__admin_password.
                ?? builder.Configuration[key.Replace('-', '_')]
                ?? byDefault?.Invoke() ?? throw new DistributedApplicationException(
                $"Parameter resource could not be used because configuration key '{key}' is missing and the Parameter "
                + $"has no default value: set it in the AppHost's configuration, for example with --{key}=value."),
            secret));
    }
}
