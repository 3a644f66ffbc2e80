using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace AppHost.Servers;

/// <summary>
/// The servers that hold data. Whatever they are, processes, containers, or servers of the user's own, they have the
/// same names and give the same connection strings, so that the rest of the application need not know.
/// </summary>
/// <param name="builder">The application.</param>
/// <param name="folders">Where processes keep their data; null for containers.</param>
/// <param name="options">Whether data is kept, and for how many replicas.</param>
internal sealed class DataServers(
    IDistributedApplicationBuilder builder, ServerFolders? folders, AppHostOptions options)
{
    /// <summary>Two pools of 24 in each of three services, rounded up; PostgreSQL's default for all is 100.</summary>
    private const int ConnectionsPerReplica = 150;

    /// <summary>Connections of people and tools.</summary>
    private const int OtherConnections = 50;

    private int MaxConnections => OtherConnections + (ConnectionsPerReplica * options.Replicas);

    /// <summary>Adds PostgreSQL. <c>--ConnectionStrings:NAME</c> puts the user's own server in its place.</summary>
    /// <returns>
    /// What adds a database, which is created when the server has none of this name; <c>--ConnectionStrings:NAME</c>
    /// puts another one in its place.
    /// </returns>
    public Func<string, IResourceBuilder<IResourceWithConnectionString>> AddPostgres(string name)
    {
        var addDatabase = AddPostgresServer(name);
        return database => IsGiven(database) ? builder.AddConnectionString(database) : addDatabase(database);
    }

    /// <summary>Adds Redis, which keeps nothing from run to run.</summary>
    public IResourceBuilder<IResourceWithConnectionString> AddRedis(string name)
    {
        if (IsGiven(name))
        {
            return builder.AddConnectionString(name);
        }

        var password = builder.AddSecret($"{name}-password", options.Storage);
        return folders is not null
            ? builder.AddRedisProcess(name, password, folders)
            : builder.AddRedis(name, password: password);
    }

    private Func<string, IResourceBuilder<IResourceWithConnectionString>> AddPostgresServer(string name)
    {
        if (IsGiven(name))
        {
            var given = builder.AddConnectionString(name);
            return database => builder.AddConnectionString(
                database, ReferenceExpression.Create($"{given.Resource};Database={database}"));
        }

        var password = builder.AddSecret($"{name}-password", options.Storage);
        if (folders is not null)
        {
            return builder.AddPostgresProcess(name, password, folders, MaxConnections, options.Storage).AddDatabase;
        }

        var container = builder.AddPostgres(name, password: password)
            .WithArgs("-c", $"max_connections={MaxConnections}");
        if (options.Storage == StorageKind.Persistent)
        {
            container.WithDataVolume();
        }

        return database => container.AddDatabase(database);
    }

    private bool IsGiven(string name) => !builder.ExecutionContext.IsPublishMode
        && !string.IsNullOrEmpty(builder.Configuration.GetConnectionString(name));
}

/// <summary>Decides what the servers are.</summary>
internal static class DataServersExtensions
{
    /// <summary>Processes or containers, by <c>--Servers</c>. What is published is always containers.</summary>
    public static DataServers AddDataServers(this IDistributedApplicationBuilder builder, AppHostOptions options)
    {
        if (options.Servers == ServerKind.Containers || builder.ExecutionContext.IsPublishMode)
        {
            return new DataServers(builder, folders: null, options);
        }

        var folders = new ServerFolders(builder.Configuration);
        builder.Services.AddSingleton(_ => folders); // A factory's product is disposed with the application.
        builder.Eventing.Subscribe<BeforeStartEvent>((start, _) =>
            Task.FromResult(start.Services.GetRequiredService<ServerFolders>()));
        return new DataServers(builder, folders, options);
    }
}
