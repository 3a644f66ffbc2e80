using AppHost.Servers;
using Microsoft.Extensions.Configuration;

namespace AppHost;

/// <summary>Settings of services that are given to the AppHost.</summary>
internal static class Settings
{
    private static readonly string[] HttpsFiles = ["Https:Certificate:Path", "Https:Certificate:KeyPath"];

    /// <summary>Passes sections of the AppHost's own configuration, such as <c>Limits</c>, on to a service.</summary>
    public static IResourceBuilder<ProjectResource> WithSettings(
        this IResourceBuilder<ProjectResource> service, params string[] sections)
    {
        var configuration = service.ApplicationBuilder.Configuration;
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
    /// Adds an address with https when <c>--Https:Certificate:Path=cert.pem</c> names a certificate: the first replica
    /// on the port <c>--Https:Port</c>, the others on free ones. The service has the section <c>Https</c> among its
    /// settings.
    /// </summary>
    public static Service WithHttps(this Service service)
    {
        var configuration = service.First.ApplicationBuilder.Configuration;
        return configuration["Https:Certificate:Path"] is null ? service : service.With(replica =>
        {
            foreach (var file in HttpsFiles)
            {
                if (configuration[file] is { Length: > 0 } path)
                {
                    // Seen from where the AppHost was started, which is not where the service runs.
                    replica.WithEnvironment(file.Replace(":", "__", StringComparison.Ordinal), Path.GetFullPath(path));
                }
            }

            var port = replica == service.First ? AppHostOptions.Number(configuration, "Https:Port", 0, 0, 65_535) : 0;
            replica.WithDirectEndpoint("https", port == 0 ? null : FreePort.Take(port, "--Https:Port"))
                .WithExternalHttpEndpoints();
        });
    }
}
