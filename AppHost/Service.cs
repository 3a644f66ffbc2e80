using AppHost.Servers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace AppHost;

/// <summary>
/// A service that runs as one resource per replica: <c>chat</c>, <c>chat-2</c>, … Callers reach each replica directly,
/// and all of them under one name of service discovery. Aspire's own replicas need its proxy in front, which hides from
/// callers which replica is down and from the gateway who calls. Publishing uses Aspire's own.
/// </summary>
/// <param name="name">The name of the service.</param>
/// <param name="replicas">Its replicas.</param>
internal sealed class Service(string name, IReadOnlyList<IResourceBuilder<ProjectResource>> replicas)
{
    /// <summary>The first replica, which stands for the service.</summary>
    public IResourceBuilder<ProjectResource> First => replicas[0];

    /// <summary>Configures each replica.</summary>
    public Service With(Action<IResourceBuilder<ProjectResource>> configure)
    {
        foreach (var replica in replicas)
        {
            configure(replica);
        }

        return this;
    }

    /// <summary>Tells this service where all replicas of another one are.</summary>
    public Service WithReference(Service other) => With(replica => replica.WithReference(other));

    /// <summary>
    /// Starts this service only when all replicas of another one are healthy. When it starts again later it does not
    /// wait: one of them may be down, and the others of use.
    /// </summary>
    public Service WaitFor(Service other) => With(replica =>
    {
        other.With(target => replica.WaitFor(target, WaitBehavior.WaitOnResourceUnavailable));
        replica.OnResourceReady((resource, _, _) =>
        {
            foreach (var wait in resource.Annotations.OfType<WaitAnnotation>()
                .Where(wait => wait.Resource is ProjectResource).ToList())
            {
                resource.Annotations.Remove(wait);
            }

            return Task.CompletedTask;
        });
    });

    /// <summary>Writes one line when the first replica is healthy: what people can open now, and where.</summary>
    public Service SayWhenReady(string product)
    {
        First.OnResourceReady((resource, ready, _) =>
        {
            ready.Services.GetRequiredService<ILoggerFactory>().CreateLogger("AppHost")
                .LogInformation("{Product} is ready at {Address}", product, resource.GetEndpoint("http").Url);
            return Task.CompletedTask;
        });
        return this;
    }

    /// <summary>The name under which others find it.</summary>
    public string Name => name;
}

/// <summary>Adds services.</summary>
internal static class ServiceExtensions
{
    /// <summary>Adds a service that speaks HTTP and answers at <c>/health</c>.</summary>
    /// <typeparam name="TProject">Its project.</typeparam>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name under which others find it.</param>
    /// <param name="replicas">How many processes run.</param>
    /// <param name="port">The port of the first replica; the others take those after it. 0 picks free ones.</param>
    public static Service AddService<TProject>(
        this IDistributedApplicationBuilder builder, string name, int replicas, int port = 0)
        where TProject : IProjectMetadata, new()
    {
        if (builder.ExecutionContext.IsPublishMode)
        {
            return new Service(
                name,
                [
                    builder.AddProject<TProject>(name).WithHttpHealthCheck("/health", endpointName: "http")
                        .WithReplicas(replicas),
                ]);
        }

        return new Service(name, [.. Enumerable.Range(0, replicas).Select(i => builder
            .AddProject<TProject>(i == 0 ? name : $"{name}-{i + 1}")
            .StartsBuiltProgram()
            .WithDirectEndpoint("http", port == 0 ? null : FreePort.Take(port + i, "--GatewayPort"))
            .WithTelemetryOf(builder.Configuration)
            .WithPatientHealthCheck())]);
    }

    /// <summary>
    /// Tells a resource where all replicas of a service are, under one name: <c>services__chat__http__1</c>.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithReference(
        this IResourceBuilder<ProjectResource> resource, Service service)
    {
        service.With(replica => resource.WithReference(replica, service.Name));
        return resource;
    }

    /// <summary>
    /// Sends telemetry to another back end than the dashboard when the AppHost is given
    /// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> and its like. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    /// </summary>
    private static IResourceBuilder<ProjectResource> WithTelemetryOf(
        this IResourceBuilder<ProjectResource> service, ConfigurationManager configuration)
    {
        const string Prefix = "OTEL_EXPORTER_OTLP_";
        if (configuration[$"{Prefix}ENDPOINT"] is null)
        {
            return service;
        }

        service.WithEnvironment($"{Prefix}HEADERS", ""); // The dashboard's key is nobody else's.
        foreach (var (name, value) in configuration.AsEnumerable())
        {
            if (name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && value is not null)
            {
                service.WithEnvironment(name, value);
            }
        }

        return service;
    }

    /// <summary>Lets callers reach an endpoint without Aspire's proxy in between.</summary>
    public static IResourceBuilder<T> WithDirectEndpoint<T>(
        this IResourceBuilder<T> resource, string scheme, int? port = null)
        where T : IResourceWithEndpoints => resource.WithEndpoint(scheme, endpoint =>
        {
            endpoint.UriScheme = scheme;
            endpoint.IsProxied = false;
            endpoint.Port = endpoint.TargetPort = port;
        });
}
