using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AppHost.Servers;

/// <summary>A PostgreSQL server that runs as a process of this machine.</summary>
/// <param name="name">The name of the resource.</param>
/// <param name="password">The password of the user <c>postgres</c>.</param>
/// <param name="workingDirectory">Where the process starts.</param>
internal sealed class PostgresProcessResource(string name, ParameterResource password, string workingDirectory)
    : ExecutableResource(name, "sh", workingDirectory), IResourceWithConnectionString
{
    /// <summary>The user that owns all databases.</summary>
    public const string UserName = "postgres";

    /// <summary>The password of that user.</summary>
    public ParameterResource Password => password;

    /// <summary>Where the server listens.</summary>
    public EndpointReference Endpoint => new(this, "tcp");

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"Host={Endpoint.Property(EndpointProperty.Host)};Port={Endpoint.Property(EndpointProperty.Port)}"
        + $";Username={UserName};Password={Password}");
}

/// <summary>A database on a <see cref="PostgresProcessResource"/>.</summary>
/// <param name="name">The name of the resource and of the database.</param>
/// <param name="server">The server.</param>
internal sealed class PostgresProcessDatabaseResource(string name, PostgresProcessResource server)
    : Resource(name), IResourceWithParent<PostgresProcessResource>, IResourceWithConnectionString
{
    /// <inheritdoc/>
    public PostgresProcessResource Parent => server;

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression =>
        ReferenceExpression.Create($"{server};Database={Name}");
}

/// <summary>Adds PostgreSQL as a process.</summary>
internal static class PostgresProcessExtensions
{
    /// <summary>Becomes the server, with its log on standard output: standard error would be shown as errors.</summary>
    private const string Script = "exec \"$@\" 2>&1";

    private static readonly TimeSpan CreateInterval = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Adds a server on loopback, on a port of its own, with a password. Its binaries come from <c>--PostgresBin</c>,
    /// the PATH, the usual folders, or npm.
    /// </summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The name of the resource.</param>
    /// <param name="password">The password of the user <c>postgres</c>.</param>
    /// <param name="folders">Where the data goes.</param>
    /// <param name="maxConnections">How many clients the server takes.</param>
    /// <param name="storage">Whether data is kept.</param>
    public static IResourceBuilder<PostgresProcessResource> AddPostgresProcess(
        this IDistributedApplicationBuilder builder,
        string name,
        IResourceBuilder<ParameterResource> password,
        ServerFolders folders,
        int maxConnections,
        StorageKind storage)
    {
        var postgres = new PostgresProcessResource(name, password.Resource, folders.Scratch);
        var resource = builder.AddResource(postgres);
        var cluster = new PostgresCluster(
            storage == StorageKind.Persistent ? folders.TakeVolume(VolumeNameGenerator.Generate(resource, "data"))
                : Path.Combine(folders.Scratch, name),
            storage);

        builder.Eventing.Subscribe<BeforeStartEvent>(async (start, cancellationToken) =>
        {
            if (!start.Model.Resources.Contains(postgres))
            {
                return; // A test has taken it out.
            }

            var logger = start.Services.GetRequiredService<ILoggerFactory>().CreateLogger("AppHost.Postgres");
            var bin = await PostgresBinaries.FindAsync(builder.Configuration["PostgresBin"], logger, cancellationToken);
            var secret = await postgres.Password.GetValueAsync(cancellationToken);
            await cluster.PrepareAsync(bin, PostgresProcessResource.UserName, secret!, cancellationToken);
            _ = ShutDownFastAsync(postgres, start.Services.GetRequiredService<ResourceNotificationService>());
        });

        return resource
            .WithDirectEndpoint("tcp")
            .OnBeforeResourceStarted((_, start, cancellationToken) => cluster.ClearAsync(
                start.Services.GetRequiredService<ResourceLoggerService>().GetLogger(postgres), cancellationToken))
            .WithArgs(context =>
            {
                foreach (var argument in (string[])["-c", Script, "postgres", .. cluster.ServerCommand(maxConnections)])
                {
                    context.Args.Add(argument);
                }

                context.Args.Add("-p");
                context.Args.Add(postgres.Endpoint.Property(EndpointProperty.TargetPort));
            })
            .WithIconName("Database")
            .WithConnectionCheck();
    }

    /// <summary>Adds a database, which is created when the server is up and has none of this name.</summary>
    public static IResourceBuilder<IResourceWithConnectionString> AddDatabase(
        this IResourceBuilder<PostgresProcessResource> server, string name)
    {
        var database = new PostgresProcessDatabaseResource(name, server.Resource);
        server.OnResourceReady(async (_, ready, cancellationToken) =>
        {
            var logger = ready.Services.GetRequiredService<ResourceLoggerService>().GetLogger(database);
            await CreateAsync(database, logger, cancellationToken);
            await ready.Services.GetRequiredService<ResourceNotificationService>().PublishUpdateAsync(
                database, snapshot => snapshot with { State = KnownResourceStates.Running });
        });
        return server.ApplicationBuilder.AddResource(database)
            .WithInitialState(new CustomResourceSnapshot
            {
                ResourceType = "PostgresDatabase",
                Properties = [],
                State = KnownResourceStates.NotStarted,
            })
            .WithIconName("Database")
            .WithConnectionCheck();
    }

    /// <summary>
    /// Gives the server the signal for its fast shutdown when it is being stopped. To SIGTERM, which the orchestrator
    /// sends, it would wait until its clients leave. https://www.postgresql.org/docs/current/server-shutdown.html
    /// </summary>
    private static async Task ShutDownFastAsync(
        PostgresProcessResource postgres, ResourceNotificationService notifications)
    {
        await foreach (var change in notifications.WatchAsync())
        {
            if (change.Resource == postgres && change.Snapshot.State?.Text == KnownResourceStates.Stopping
                && change.Snapshot.Properties.FirstOrDefault(p => p.Name == "executable.pid")?.Value is int id)
            {
                // It may have ended by now: the state is told more than once.
                await Programs.RunAsync(["kill", "-INT", $"{id}"], CancellationToken.None);
            }
        }
    }

    /// <summary>Creates a database that is not there, and goes on trying: nobody else would.</summary>
    private static async Task CreateAsync(
        PostgresProcessDatabaseResource database, ILogger logger, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var server = await database.Parent.UnpooledAsync(cancellationToken);
                await using var connection = new NpgsqlConnection(server);
                await connection.OpenAsync(cancellationToken);
                await using var create = new NpgsqlCommand($"CREATE DATABASE \"{database.Name}\"", connection);
                await create.ExecuteNonQueryAsync(cancellationToken);
                return;
            }
            catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.DuplicateDatabase)
            {
                return;
            }
            catch (Exception exception) when (exception is NpgsqlException or TimeoutException)
            {
                logger.LogWarning("{Database} is not created yet: {Problem}", database.Name, exception.Message);
                await Task.Delay(CreateInterval, cancellationToken);
            }
        }
    }

    private static IResourceBuilder<T> WithConnectionCheck<T>(this IResourceBuilder<T> resource)
        where T : IResourceWithConnectionString
    {
        var key = $"{resource.Resource.Name}_check";
        resource.ApplicationBuilder.Services.AddHealthChecks().AddNpgSql(
            _ => resource.Resource.UnpooledAsync(CancellationToken.None).GetAwaiter().GetResult(), name: key);
        return resource.WithHealthCheck(key);
    }

    /// <summary>Connections that end with their use: an idle one would hold up the server's end.</summary>
    private static async Task<string> UnpooledAsync(
        this IResourceWithConnectionString resource, CancellationToken cancellationToken) =>
        $"{await resource.GetConnectionStringAsync(cancellationToken)};Pooling=false;Timeout=3";
}
