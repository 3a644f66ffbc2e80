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
}
