using System.Net;
using Aspire.Hosting.Orchestration;
using StackExchange.Redis;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A Redis server: here a process of <c>redis-server</c> or, where that is missing, of Garnet.</summary>
/// <param name="name">The name.</param>
/// <param name="password">The password.</param>
public class RedisResource(string name, ParameterResource password)
    : ContainerResource(name), IResourceWithConnectionString
{
    internal const string PrimaryEndpointName = "tcp";

    /// <summary>Where it listens.</summary>
    public EndpointReference PrimaryEndpoint => new(this, PrimaryEndpointName);

    /// <summary>The password.</summary>
    public ParameterResource? PasswordParameter { get; } = password;

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"{PrimaryEndpoint.Property(EndpointProperty.HostAndPort)},password={PasswordParameter!}");

    /// <summary>The server as a <c>redis://</c> URI.</summary>
    public ReferenceExpression UriExpression => ReferenceExpression.Create(
        $"redis://:{PasswordParameter!:uri}@{PrimaryEndpoint.Property(EndpointProperty.HostAndPort)}");

    IEnumerable<KeyValuePair<string, ReferenceExpression>> IResourceWithConnectionString.GetConnectionProperties() =>
        this.OutsideConnectionString() is { } outside ? PropertiesOf(outside) :
    [
        new("Host", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Host)}")),
        new("Port", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Port)}")),
        new("Password", ReferenceExpression.Create($"{PasswordParameter!}")),
        new("Uri", UriExpression),
    ];

    /// <summary>The parts of a connection string that was given.</summary>
    private static IEnumerable<KeyValuePair<string, ReferenceExpression>> PropertiesOf(string connectionString)
    {
        var settings = ConfigurationOptions.Parse(connectionString);
        var (host, port) = settings.EndPoints.FirstOrDefault() switch
        {
            DnsEndPoint endPoint => (endPoint.Host, endPoint.Port),
            IPEndPoint endPoint => ($"{endPoint.Address}", endPoint.Port),
            _ => ("", 0),
        };
        yield return Property("Host", host);
        yield return Property("Port", $"{port}");
        yield return Property("Password", settings.Password);
        yield return Property("Uri", $"redis://:{Uri.EscapeDataString(settings.Password ?? "")}@{host}:{port}");

        static KeyValuePair<string, ReferenceExpression> Property(string name, string? value) =>
            new(name, ReferenceExpression.Create($"{value}"));
    }
}
