using Microsoft.Extensions.Configuration;

namespace AppHost;

/// <summary>Where PostgreSQL and Redis come from.</summary>
internal enum ServerKind
{
    /// <summary>Processes of this machine, which need no container engine.</summary>
    Processes,

    /// <summary>Containers, by Aspire's own integrations.</summary>
    Containers,
}

/// <summary>Whether data outlives a run.</summary>
internal enum StorageKind
{
    /// <summary>Data is kept for the next run.</summary>
    Persistent,

    /// <summary>Each run starts empty and leaves nothing.</summary>
    Ephemeral,
}

/// <summary>The options of the AppHost, from its command line, environment or <c>appsettings.json</c>.</summary>
internal sealed record AppHostOptions
{
    private const int MaxReplicas = 16;

    /// <summary>The port of the first gateway; further ones take the ports after it. 0 picks free ones.</summary>
    public required int GatewayPort { get; init; }

    /// <summary>How many processes of each service run.</summary>
    public required int Replicas { get; init; }

    /// <summary>Where PostgreSQL and Redis come from.</summary>
    public required ServerKind Servers { get; init; }

    /// <summary>Whether data outlives a run.</summary>
    public required StorageKind Storage { get; init; }

    /// <summary>Reads and checks the options.</summary>
    /// <exception cref="DistributedApplicationException">A value is not one of those allowed.</exception>
    public static AppHostOptions Read(IConfiguration configuration) => new()
    {
        // Tests run beside each other: Aspire.Hosting.Testing asks for ports of their own.
        GatewayPort = Number(configuration, nameof(GatewayPort), 8080, 0, 65_535 - MaxReplicas) is var port
            && configuration.GetValue<bool>("DcpPublisher:RandomizePorts") ? 0 : port,
        Replicas = Number(configuration, nameof(Replicas), 1, 1, MaxReplicas),
        Servers = OneOf<ServerKind>(configuration, nameof(Servers)),
        Storage = OneOf<StorageKind>(configuration, nameof(Storage)),
    };

    /// <summary>Reads a number.</summary>
    /// <exception cref="DistributedApplicationException">It is none, or out of bounds.</exception>
    public static int Number(IConfiguration configuration, string key, int otherwise, int least, int most) =>
        configuration[key] is not { } text ? otherwise
            : int.TryParse(text, out var number) && number >= least && number <= most ? number
            : throw new DistributedApplicationException($"{key} is '{text}': use a number from {least} to {most}.");

    private static T OneOf<T>(IConfiguration configuration, string key) where T : struct, Enum =>
        configuration[key] is not { } text ? default
            : Enum.GetNames<T>().Contains(text, StringComparer.OrdinalIgnoreCase)
                ? Enum.Parse<T>(text, ignoreCase: true)
                : throw new DistributedApplicationException(
                    $"{key} is '{text}': use {string.Join(" or ", Enum.GetNames<T>()).ToLowerInvariant()}.");
}
