using Aspire.StackExchange.Redis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Microsoft.Extensions.Hosting;

/// <summary>Registers a Redis client as Aspire's client integration does.</summary>
public static class AspireRedisExtensions
{
    private const string Section = "Aspire:StackExchange:Redis";

    /// <summary>
    /// Adds an <see cref="IConnectionMultiplexer"/> as a singleton that connects on first use, with a health check and
    /// tracing.
    /// </summary>
    /// <param name="builder">The application's builder.</param>
    /// <param name="connectionName">The name under <c>ConnectionStrings</c>.</param>
    /// <param name="configureSettings">Runs after the settings were read.</param>
    /// <param name="configureOptions">Runs after the connection string was parsed.</param>
    public static void AddRedisClient(
        this IHostApplicationBuilder builder,
        string connectionName,
        Action<StackExchangeRedisSettings>? configureSettings = null,
        Action<ConfigurationOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(connectionName);

        var section = builder.Configuration.GetSection(Section);
        var settings = new StackExchangeRedisSettings();
        section.Bind(settings);
        section.GetSection(connectionName).Bind(settings);
        if (builder.Configuration.GetConnectionString(connectionName) is { } connectionString)
        {
            settings.ConnectionString = connectionString;
        }

        configureSettings?.Invoke(settings);

        builder.Services.AddSingleton<IConnectionMultiplexer>(services =>
        {
            if (string.IsNullOrWhiteSpace(settings.ConnectionString))
            {
                throw new InvalidOperationException(
                    $"The Redis connection string is missing: set 'ConnectionStrings:{connectionName}' "
                    + $"or 'ConnectionString' in '{Section}'.");
            }

            var options = ConfigurationOptions.Parse(settings.ConnectionString);
            options.LoggerFactory = services.GetService<ILoggerFactory>();
            configureOptions?.Invoke(options);
            var connection = ConnectionMultiplexer.Connect(options);
            if (!settings.DisableTracing)
            {
                services.GetRequiredService<RedisTracing>().Follow(connection);
            }

            return connection;
        });

        if (!settings.DisableTracing)
        {
            builder.Services.AddSingleton<RedisTracing>();
            builder.Services.AddHostedService(services => services.GetRequiredService<RedisTracing>());
            builder.Services.AddOpenTelemetry().WithTracing(tracing => tracing.AddSource(RedisTracing.SourceName));
        }

        if (!settings.DisableHealthChecks)
        {
            builder.Services.AddHealthChecks().AddCheck<RedisHealthCheck>("StackExchange.Redis");
        }
    }
}
