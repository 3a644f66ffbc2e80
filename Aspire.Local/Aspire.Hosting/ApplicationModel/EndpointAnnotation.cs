using System.Net.Sockets;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>An address that a resource listens on.</summary>
/// <param name="protocol">TCP or UDP.</param>
/// <param name="uriScheme">The scheme of its URL; the protocol's name when null.</param>
/// <param name="transport">The transport; http for http and https when null.</param>
/// <param name="name">The name; the scheme when null.</param>
/// <param name="port">The port clients use; any free one when null or 0.</param>
/// <param name="targetPort">
/// The port the process listens on; the client's port when null and there is one replica.
/// </param>
/// <param name="isExternal">Whether it is meant for the world outside the application.</param>
/// <param name="isProxied">Whether a proxy may stand before it; it may when null.</param>
public sealed class EndpointAnnotation(
    ProtocolType protocol,
    string? uriScheme = null,
    string? transport = null,
    string? name = null,
    int? port = null,
    int? targetPort = null,
    bool? isExternal = null,
    bool? isProxied = null) : IResourceAnnotation
{
    /// <summary>The name, unique in its resource without regard to case.</summary>
    public string Name { get; set; } = name ?? uriScheme ?? protocol.ToString().ToLowerInvariant();

    /// <summary>TCP or UDP.</summary>
    public ProtocolType Protocol { get; set; } = protocol;

    /// <summary>The port clients use; any free one when null or 0.</summary>
    public int? Port { get; set; } = port;

    /// <summary>The port the process listens on.</summary>
    public int? TargetPort { get; set; } = targetPort;

    /// <summary>The scheme of its URL.</summary>
    public string UriScheme { get; set; } = uriScheme ?? protocol.ToString().ToLowerInvariant();

    /// <summary>The host that the process binds.</summary>
    public string TargetHost { get; set; } = "localhost";

    /// <summary>The transport: http, http2, tcp.</summary>
    public string Transport { get; set; } =
        transport ?? (uriScheme is "http" or "https" ? "http" : protocol.ToString().ToLowerInvariant());

    /// <summary>Whether it is meant for the world outside the application.</summary>
    public bool IsExternal { get; set; } = isExternal ?? false;

    /// <summary>Whether a proxy may stand before it. Here one does when a resource has several replicas.</summary>
    public bool IsProxied { get; set; } = isProxied ?? true;

    /// <summary>The address clients use, once the application starts.</summary>
    public AllocatedEndpoint? AllocatedEndpoint { get; set; }

    /// <summary>The variable that tells the process its port (<c>env</c> of <c>WithHttpEndpoint</c>).</summary>
    internal string? TargetPortEnvironmentVariable { get; set; }

    /// <summary>The port of each replica's process, once the application starts.</summary>
    internal IReadOnlyList<int> ReplicaPorts { get; set; } = [];

    /// <summary>The URL of each replica's process.</summary>
    internal IEnumerable<string> ReplicaUrls => ReplicaPorts.Select(port => $"{UriScheme}://{TargetHost}:{port}");
}

/// <summary>An address in use.</summary>
public class AllocatedEndpoint
{
    internal AllocatedEndpoint(EndpointAnnotation endpoint, string address, int port) =>
        (Endpoint, Address, Port) = (endpoint, address, port);

    /// <summary>The endpoint.</summary>
    public EndpointAnnotation Endpoint { get; }

    /// <summary>The host.</summary>
    public string Address { get; }

    /// <summary>The port.</summary>
    public int Port { get; }

    /// <summary>The URL's scheme.</summary>
    public string UriScheme => Endpoint.UriScheme;

    /// <summary>The URL.</summary>
    public string UriString => $"{UriScheme}://{Address}:{Port}";
}
