using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Aspire.Hosting.Redis;

namespace Aspire.Hosting;

/// <summary>Adds Redis servers.</summary>
public static class RedisBuilderExtensions
{
    /// <summary>Adds a server. It keeps everything in memory unless it has a volume.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="port">The port; any free one when null.</param>
    /// <param name="password">The password; a generated one, kept for the next run, when null.</param>
    /// <returns>The server.</returns>
    public static IResourceBuilder<RedisResource> AddRedis(
        this IDistributedApplicationBuilder builder,
        string name,
        int? port = null,
        IResourceBuilder<ParameterResource>? password = null)
    {
        var server = new RedisResource(name, password?.Resource ?? builder.AddPassword(name).Resource);
        if (builder.ExecutionContext.IsPublishMode)
        {
            server.Entrypoint = "/bin/sh"; // So that the password is a variable and not an argument.
        }

        var process = new RedisProcess(server, builder.Configuration, builder.AppHostDirectory);
        return builder.AddResource(server)
            .AsContainer("library/redis", "8.6", RedisResource.PrimaryEndpointName, port, targetPort: 6379)
            .WithAnnotation(new CommandLineArgsCallbackAnnotation(context =>
            {
                if (context.ExecutionContext.IsPublishMode)
                {
                    context.Args.Add("-c");
                    context.Args.Add("redis-server --requirepass $REDIS_PASSWORD");
                }

                return Task.CompletedTask;
            }))
            .WithEnvironment(context =>
            {
                if (context.ExecutionContext.IsPublishMode)
                {
                    context.EnvironmentVariables["REDIS_PASSWORD"] = server.PasswordParameter!;
                }
            })
            .WithAnnotation(new RequirementAnnotation(process.PrepareAsync))
            .WithAnnotation(new ProcessAnnotation(process.DescribeAsync))
            .WithAnnotation(new HealthProbeAnnotation(process.AnswersAsync));
    }

    /// <summary>Keeps the server's data from run to run.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="name">The volume's name; <c>{server}-data</c> when null.</param>
    /// <param name="isReadOnly">Not possible for a server that runs.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<RedisResource> WithDataVolume(
        this IResourceBuilder<RedisResource> builder, string? name = null, bool isReadOnly = false)
    {
        if (isReadOnly)
        {
            throw new DistributedApplicationException("A Redis server cannot run on a read-only volume.");
        }

        return builder.WithVolume(name, "/data");
    }
}
