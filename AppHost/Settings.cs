using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting;

/// <summary>Settings of services that are set at the AppHost.</summary>
internal static class Settings
{
    /// <summary>Passes sections of the AppHost's own configuration on to a service, as they are.</summary>
    /// <param name="service">The service.</param>
    /// <param name="configuration">The AppHost's configuration.</param>
    /// <param name="sections">The sections, such as <c>Limits</c>.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<ProjectResource> WithSettings(
        this IResourceBuilder<ProjectResource> service, IConfiguration configuration, params string[] sections)
    {
        foreach (var (key, value) in sections.SelectMany(section => configuration.GetSection(section).AsEnumerable()))
        {
            if (value is not null)
            {
                service.WithEnvironment(key.Replace(":", "__", StringComparison.Ordinal), value);
            }
        }

        return service;
    }

    /// <summary>
    /// Adds an address with https when <c>--Https:Certificate:Path=cert.pem</c> names a certificate, on the port
    /// <c>--Https:Port</c>, or a free one.
    /// </summary>
    /// <param name="service">The service. It has the section <c>Https</c> among its settings.</param>
    /// <param name="configuration">The AppHost's configuration.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<ProjectResource> WithHttps(
        this IResourceBuilder<ProjectResource> service, IConfiguration configuration)
    {
        foreach (var file in new[] { "Https:Certificate:Path", "Https:Certificate:KeyPath" })
        {
            if (configuration[file] is { Length: > 0 } path)
            {
                // Seen from where the AppHost was started, which is not where the service runs.
                service.WithEnvironment(file.Replace(":", "__", StringComparison.Ordinal), Path.GetFullPath(path));
            }
        }

        return configuration["Https:Certificate:Path"] is null ? service : service.WithEndpoint("https", endpoint =>
        {
            endpoint.UriScheme = "https";
            endpoint.Port = configuration.GetValue<int?>("Https:Port");
            endpoint.IsExternal = true;
        });
    }
}
