using Aspire.Hosting.Orchestration;
using Npgsql;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A PostgreSQL server: here a process of this machine's own <c>postgres</c>.</summary>
/// <param name="name">The name.</param>
/// <param name="userName">The superuser's name; <c>postgres</c> when null.</param>
/// <param name="password">The superuser's password.</param>
public class PostgresServerResource(string name, ParameterResource? userName, ParameterResource password)
    : ContainerResource(name), IResourceWithConnectionString
{
    internal const string PrimaryEndpointName = "tcp";
    internal const string DefaultUserName = "postgres";

    /// <summary>Where it listens.</summary>
    public EndpointReference PrimaryEndpoint => new(this, PrimaryEndpointName);

    /// <summary>The superuser's name; <c>postgres</c> when null.</summary>
    public ParameterResource? UserNameParameter { get; set; } = userName;

    /// <summary>The superuser's password.</summary>
    public ParameterResource PasswordParameter { get; set; } = password;

    /// <summary>The superuser's name, as an expression.</summary>
    public ReferenceExpression UserNameReference => UserNameParameter is null
        ? ReferenceExpression.Create($"{DefaultUserName}")
        : ReferenceExpression.Create($"{UserNameParameter}");

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"Host={PrimaryEndpoint.Property(EndpointProperty.Host)};"
        + $"Port={PrimaryEndpoint.Property(EndpointProperty.Port)};"
        + $"Username={UserNameReference};Password={PasswordParameter}");

    /// <summary>The server as a <c>postgresql://</c> URI.</summary>
    public ReferenceExpression UriExpression => ReferenceExpression.Create(
        $"postgresql://{UserNameReference:uri}:{PasswordParameter:uri}"
        + $"@{PrimaryEndpoint.Property(EndpointProperty.HostAndPort)}");

    internal IEnumerable<KeyValuePair<string, ReferenceExpression>> ConnectionProperties =>
        this.OutsideConnectionString() is { } outside ? PropertiesOf(outside) :
    [
        new("Host", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Host)}")),
        new("Port", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Port)}")),
        new("Username", UserNameReference),
        new("Password", ReferenceExpression.Create($"{PasswordParameter}")),
        new("Uri", UriExpression),
    ];

    IEnumerable<KeyValuePair<string, ReferenceExpression>> IResourceWithConnectionString.GetConnectionProperties() =>
        ConnectionProperties;

    /// <summary>The parts of a connection string that was given.</summary>
    internal static IEnumerable<KeyValuePair<string, ReferenceExpression>> PropertiesOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var user = Uri.EscapeDataString(settings.Username ?? "");
        var password = Uri.EscapeDataString(settings.Password ?? "");
        var database = settings.Database is { Length: > 0 } name ? $"/{Uri.EscapeDataString(name)}" : "";
        yield return Property("Host", settings.Host);
        yield return Property("Port", $"{settings.Port}");
        yield return Property("Username", settings.Username);
        yield return Property("Password", settings.Password);
        yield return Property("Uri", $"postgresql://{user}:{password}@{settings.Host}:{settings.Port}{database}");

        static KeyValuePair<string, ReferenceExpression> Property(string name, string? value) =>
            new(name, ReferenceExpression.Create($"{value}"));
    }
}

/// <summary>A database of a PostgreSQL server.</summary>
/// <param name="name">The resource's name.</param>
/// <param name="databaseName">The database's name.</param>
/// <param name="postgresParentResource">The server.</param>
public class PostgresDatabaseResource(string name, string databaseName, PostgresServerResource postgresParentResource)
    : Resource(name), IResourceWithParent<PostgresServerResource>, IResourceWithConnectionString
{
    /// <summary>The server.</summary>
    public PostgresServerResource Parent { get; } = postgresParentResource;

    /// <summary>The database's name.</summary>
    public string DatabaseName { get; } = databaseName;

    /// <inheritdoc/>
    public ReferenceExpression ConnectionStringExpression =>
        ReferenceExpression.Create($"{Parent};Database={DatabaseName}");

    /// <summary>The database as a <c>postgresql://</c> URI.</summary>
    public ReferenceExpression UriExpression => ReferenceExpression.Create($"{Parent.UriExpression}/{DatabaseName}");

    IEnumerable<KeyValuePair<string, ReferenceExpression>> IResourceWithConnectionString.GetConnectionProperties() =>
        this.OutsideConnectionString() is { } outside ? PostgresServerResource.PropertiesOf(outside) :
    [
        .. Parent.ConnectionProperties.Where(property => property.Key != "Uri"),
        new("DatabaseName", ReferenceExpression.Create($"{DatabaseName}")),
        new("Uri", UriExpression),
    ];
}
