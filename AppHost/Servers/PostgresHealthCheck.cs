using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AppHost.Servers;

/// <summary>Whether a server or database answers.</summary>
/// <param name="resource">The server or database.</param>
/// <param name="folder">The server's data, for a sentence when its password is lost.</param>
/// <param name="lifetime">Ends the application when the password is lost.</param>
/// <param name="logger">Says why.</param>
internal sealed class PostgresHealthCheck(
    IResourceWithConnectionString resource, string? folder, IHostApplicationLifetime lifetime, ILogger logger)
    : IHealthCheck
{
    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var connection = await OpenAsync(resource, cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (PostgresException exception)
            when (folder is not null && exception.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            logger.LogCritical(
                "The data in {Folder} was made with another password than the one in the user secrets: bring back the "
                + "secrets (secrets.json) of that time, give the password with --Parameters:postgres-password=…, or "
                + "start over by deleting the folder", folder);
            Environment.ExitCode = 1;
            lifetime.StopApplication();
            return HealthCheckResult.Unhealthy(exception.Message);
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(exception.Message);
        }
    }

    /// <summary>Opens a connection that is not pooled: an idle one would outlive the check.</summary>
    public static async Task<NpgsqlConnection> OpenAsync(
        IResourceWithConnectionString resource, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(
            await resource.GetConnectionStringAsync(cancellationToken))
        {
            Pooling = false,
            Timeout = 3,
        }.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}

/// <summary>Adds the check.</summary>
internal static class PostgresHealthCheckExtensions
{
    /// <summary>Calls a server or database healthy when it lets the application in.</summary>
    /// <param name="builder">The server or database.</param>
    /// <param name="folder">The server's data.</param>
    public static IResourceBuilder<T> WithPostgresHealthCheck<T>(this IResourceBuilder<T> builder, string? folder = null)
        where T : IResourceWithConnectionString
    {
        var key = $"{builder.Resource.Name}_check";
        builder.ApplicationBuilder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            key,
            services => new PostgresHealthCheck(
                builder.Resource, folder, services.GetRequiredService<IHostApplicationLifetime>(),
                services.GetRequiredService<ILoggerFactory>().CreateLogger("AppHost.Postgres")),
            failureStatus: null,
            tags: null));
        return builder.WithHealthCheck(key);
    }
}
