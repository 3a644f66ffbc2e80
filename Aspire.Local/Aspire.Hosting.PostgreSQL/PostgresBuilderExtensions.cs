using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Aspire.Hosting.PostgreSQL;

namespace Aspire.Hosting;

/// <summary>Adds PostgreSQL servers and databases.</summary>
public static class PostgresBuilderExtensions
{
    /// <summary>Adds a server. Its data ends with the application unless it has a volume.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="userName">The superuser's name; <c>postgres</c> when null.</param>
    /// <param name="password">The superuser's password; a generated one, kept for the next run, when null.</param>
    /// <param name="port">The port; any free one when null.</param>
    /// <returns>The server.</returns>
    public static IResourceBuilder<PostgresServerResource> AddPostgres(
        this IDistributedApplicationBuilder builder,
        string name,
        IResourceBuilder<ParameterResource>? userName = null,
        IResourceBuilder<ParameterResource>? password = null,
        int? port = null)
    {
        var passwordParameter = password?.Resource ?? builder.AddPassword(name).Resource;
        var server = new PostgresServerResource(name, userName?.Resource, passwordParameter);
        var process = new PostgresProcess(server, builder.Configuration);
        return builder.AddResource(server)
            .AsContainer("library/postgres", "17.6", PostgresServerResource.PrimaryEndpointName, port, targetPort: 5432)
            .WithEnvironment(context =>
            {
                if (context.ExecutionContext.IsPublishMode)
                {
                    context.EnvironmentVariables["POSTGRES_HOST_AUTH_METHOD"] = "scram-sha-256";
                    context.EnvironmentVariables["POSTGRES_INITDB_ARGS"] =
                        "--auth-host=scram-sha-256 --auth-local=scram-sha-256";
                    context.EnvironmentVariables["POSTGRES_USER"] = server.UserNameReference;
                    context.EnvironmentVariables["POSTGRES_PASSWORD"] = server.PasswordParameter;
                }
            })
            .WithAnnotation(new RequirementAnnotation(process.PrepareAsync))
            .WithAnnotation(new ProcessAnnotation(process.DescribeAsync))
            .WithAnnotation(new HealthProbeAnnotation(
                (_, cancellationToken) => PostgresProcess.AnswersAsync(server, cancellationToken)));
    }

    /// <summary>Adds a database to a server; it is created when the server has none of that name.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="databaseName">The database's name; the resource's when null.</param>
    /// <returns>The database.</returns>
    public static IResourceBuilder<PostgresDatabaseResource> AddDatabase(
        this IResourceBuilder<PostgresServerResource> builder, string name, string? databaseName = null)
    {
        var server = builder.Resource;
        var database = new PostgresDatabaseResource(name, databaseName ?? name, server);
        return builder.ApplicationBuilder.AddResource(database).WithAnnotation(new ProvisionAnnotation(
            cancellationToken => PostgresProcess.CreateDatabaseAsync(database, cancellationToken)))
            .WithAnnotation(new HealthProbeAnnotation(
                (_, cancellationToken) => PostgresProcess.AnswersAsync(database, cancellationToken)));
    }

    /// <summary>Keeps the server's data from run to run.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="name">The volume's name; <c>{server}-data</c> when null.</param>
    /// <param name="isReadOnly">Not possible for a Postgres server that runs.</param>
    /// <returns>The same builder.</returns>
    public static IResourceBuilder<PostgresServerResource> WithDataVolume(
        this IResourceBuilder<PostgresServerResource> builder, string? name = null, bool isReadOnly = false)
    {
        if (isReadOnly)
        {
            throw new DistributedApplicationException("A PostgreSQL server cannot run on a read-only volume.");
        }

        return builder.WithVolume(name, "/var/lib/postgresql/data");
    }
}
