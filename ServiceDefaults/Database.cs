using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Microsoft.Extensions.Hosting;

/// <summary>A service's own Postgres database: EF Core for the model, a plain data source for hot statements.</summary>
public static class Database
{
    /// <summary>
    /// Connections one process may hold in each of its two pools. Postgres works best with a few per core, and every
    /// replica of every service shares one server.
    /// </summary>
    private const int MaxPoolSize = 24;

    /// <summary>
    /// No transaction waits for anything but Postgres. One whose process hangs must not keep its locks, and is ended.
    /// </summary>
    private const string IdleTransactions = "-c idle_in_transaction_session_timeout=5s";

    /// <summary>A caller waits while EF tries again; by default that may be a minute.</summary>
    private const int MaxRetries = 3;
    private static readonly TimeSpan MaxRetryDelay = TimeSpan.FromMilliseconds(300);

    /// <summary>The lock's number in the service's database. Any will do as long as it stays the same.</summary>
    private const long MigrationLockId = 0x5C4E3A;
    private static readonly TimeSpan MigrationTimeout = TimeSpan.FromHours(1);

    /// <summary>
    /// Adds the context with snake_case names, an <see cref="NpgsqlDataSource"/> on the same database, and the
    /// migration of the schema at start: the service listens only when its schema is ready.
    /// </summary>
    /// <typeparam name="TContext">The service's context.</typeparam>
    /// <param name="builder">The service's builder.</param>
    /// <param name="connectionName">The connection string's name.</param>
    /// <returns>The same builder.</returns>
    public static IHostApplicationBuilder AddServiceDatabase<TContext>(
        this IHostApplicationBuilder builder, string connectionName) where TContext : DbContext
    {
        builder.AddNpgsqlDbContext<TContext>(
            connectionName,
            settings => settings.ConnectionString = Bounded(settings.ConnectionString),
            options => options
                .UseNpgsql(npgsql => npgsql.EnableRetryOnFailure(MaxRetries, MaxRetryDelay, errorCodesToAdd: null))
                .UseSnakeCaseNamingConvention()
                // Looking for changes without a migration builds the model twice at every start; a test looks instead.
                .ConfigureWarnings(warnings => warnings.Ignore(RelationalEventId.PendingModelChangesWarning)));

        builder.Services.AddNpgsqlDataSource(
            Bounded(builder.Configuration.GetConnectionString(connectionName)) ?? "Host=missing",
            source => source.ConnectionStringBuilder.MaxAutoPrepare = 32);
        builder.Services.AddHostedService<MigrateAtStart<TContext>>();
        return builder;
    }

    /// <summary>
    /// Brings the schema up to date. Replicas that start together take turns under an advisory lock: EF's own ends with
    /// each migration, while what is left to do is looked up once before the first, so that two replicas would both run
    /// the second.
    /// </summary>
    /// <typeparam name="TContext">The service's context.</typeparam>
    /// <param name="services">Where the context comes from.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task MigrateAsync<TContext>(this IServiceProvider services, CancellationToken cancellationToken)
        where TContext : DbContext
    {
        await using var scope = services.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TContext>();
        var creator = context.GetService<IRelationalDatabaseCreator>();
        if (!await creator.ExistsAsync(cancellationToken))
        {
            await creator.CreateAsync(cancellationToken);
        }

        // A migration of many rows takes its time, and the other replicas wait for it.
        context.Database.SetCommandTimeout(MigrationTimeout);
        await context.Database.OpenConnectionAsync(cancellationToken);
        await context.Database.ExecuteSqlAsync($"SELECT pg_advisory_lock({MigrationLockId})", cancellationToken);
        try
        {
            var applied = await context.Database.GetAppliedMigrationsAsync(cancellationToken);
            if (applied.Except(context.Database.GetMigrations()).FirstOrDefault() is { } unknown)
            {
                throw new OtherSchemaException(
                    $"The database '{context.Database.GetDbConnection().Database}' was made by another version of this "
                    + $"service ({unknown}), which this one cannot read. Use that version, or another database; under "
                    + "the AppHost delete its data, or give another place with --DataPath.");
            }

            await context.Database.MigrateAsync(cancellationToken);
        }
        finally
        {
            await context.Database.ExecuteSqlAsync(
                $"SELECT pg_advisory_unlock({MigrationLockId})", CancellationToken.None);
        }
    }

    private static string? Bounded(string? connectionString) => string.IsNullOrEmpty(connectionString)
        ? connectionString
        : new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxPoolSize = MaxPoolSize,
            Options = IdleTransactions,
        }.ConnectionString;

    /// <summary>Brings the schema up to date before the server listens.</summary>
    private sealed class MigrateAtStart<TContext>(IServiceProvider services, ILogger<TContext> logger) : IHostedService
        where TContext : DbContext
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            await services.MigrateAsync<TContext>(cancellationToken);
            logger.LogInformation("The schema of {Context} is up to date", typeof(TContext).Name);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

/// <summary>A database whose schema is not one of this version's.</summary>
/// <param name="message">What an operator can do.</param>
public sealed class OtherSchemaException(string message) : Exception(message);
