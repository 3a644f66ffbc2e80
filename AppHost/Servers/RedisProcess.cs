using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace AppHost.Servers;

/// <summary>A Redis server that runs as a process of this machine and keeps nothing from run to run.</summary>
/// <param name="name">The name of the resource.</param>
/// <param name="password">The password that clients need.</param>
/// <param name="command">The program.</param>
/// <param name="workingDirectory">Where the process starts.</param>
internal sealed class RedisProcessResource(
    string name, ParameterResource password, string command, string workingDirectory)
    : ExecutableResource(name, command, workingDirectory), IResourceWithConnectionString
{
    /// <summary>The password that clients need.</summary>
    public ParameterResource Password => password;

    /// <summary>Where the server listens.</summary>
    public EndpointReference Endpoint => new(this, "tcp");

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"{Endpoint.Property(EndpointProperty.HostAndPort)},password={Password}");
}

/// <summary>Adds Redis as a process.</summary>
internal static class RedisProcessExtensions
{
    /// <summary>
    /// Adds a server on loopback with a password: <c>redis-server</c> where the PATH has it, otherwise Garnet,
    /// Microsoft's server that speaks the same protocol. <c>--RedisServer</c> chooses <c>redis-server</c> or
    /// <c>garnet</c>.
    /// </summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name of the resource.</param>
    /// <param name="password">The password that clients need.</param>
    /// <param name="folders">Where its settings go.</param>
    public static IResourceBuilder<RedisProcessResource> AddRedisProcess(
        this IDistributedApplicationBuilder builder,
        string name,
        IResourceBuilder<ParameterResource> password,
        ServerFolders folders)
    {
        var found = Programs.OnPath("redis-server") ? "redis-server" : "garnet";
        var isGarnet = (builder.Configuration["RedisServer"] ?? found) switch
        {
            "garnet" => true,
            "redis-server" => false,
            var other => throw new DistributedApplicationException(
                $"RedisServer is '{other}': use redis-server or garnet, or leave it out."),
        };
        var settings = Path.Combine(folders.Scratch, $"{name}.conf");
        var redis = new RedisProcessResource(
            name, password.Resource, isGarnet ? "dotnet" : "redis-server", folders.Scratch);
        builder.Services.AddHealthChecks().AddRedis(
            _ => redis.ConnectionStringExpression.GetValueAsync(default).AsTask().GetAwaiter().GetResult()!,
            $"{name}_check");
        return builder.AddResource(redis)
            .WithDirectEndpoint("tcp")
            .OnBeforeResourceStarted(async (_, _, cancellationToken) =>
            {
                // In a file, since everybody can read the command line of a process.
                var secret = await redis.Password.GetValueAsync(cancellationToken);
                var port = await redis.Endpoint.Property(EndpointProperty.TargetPort).GetValueAsync(cancellationToken);
                ServerFolders.WritePrivate(
                    settings, isGarnet ? Garnet(port, secret) : RedisConf(port, secret, folders.Scratch));
            })
            .WithArgs(isGarnet
                ? [$"{BuildOutput.PathOf(new Projects.GarnetServer())}.dll", "--config-import-path", settings]
                : [settings])
            .WithIconName("Database")
            .WithHealthCheck($"{name}_check");
    }

    private static string RedisConf(string? port, string? password, string folder) => $"""
        bind 127.0.0.1 -::1
        port {port}
        requirepass "{string.Concat(Encoding.UTF8.GetBytes(password ?? "").Select(value => $"\\x{value:x2}"))}"
        dir "{folder}"
        save ""

        """;

    private static string Garnet(string? port, string? password) => JsonSerializer.Serialize(new
    {
        Address = "localhost",
        Port = int.Parse(port!, System.Globalization.CultureInfo.InvariantCulture),
        AuthenticationMode = "Password",
        Password = password,
        EnableLua = true,
        MemorySize = "256m",
        IndexSize = "16m",
        PageSize = "4m",
    });
}
