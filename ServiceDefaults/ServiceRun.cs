using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Microsoft.Extensions.Hosting;

/// <summary>Runs a service, and says in a sentence why it cannot.</summary>
public static class ServiceRun
{
    /// <summary>
    /// Builds a service that has options of its server's. Those that are validated at start are so here, since the
    /// server, and what is mapped next, read them before that.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <returns>The service; null when an option is wrong, which is then said on standard error.</returns>
    public static WebApplication? BuildService(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        try
        {
            var app = builder.Build();
            app.Services.GetService<IStartupValidator>()?.Validate();
            return app;
        }
        catch (Exception exception) when (Explain(exception) is { } sentence)
        {
            Console.Error.WriteLine(sentence);
            return null;
        }
    }

    /// <summary>
    /// Runs until Ctrl+C or SIGTERM. What an operator can mend (a wrong option, a missing connection string, a taken
    /// port, a database that does not answer) is one sentence on standard error and not a stack trace.
    /// </summary>
    /// <param name="app">The service.</param>
    /// <returns>The exit code: 0, or 1 when it could not start.</returns>
    public static async Task<int> RunServiceAsync(this WebApplication app)
    {
        try
        {
            await app.RunAsync();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is { } sentence)
        {
            await Console.Error.WriteLineAsync(sentence);
            return 1;
        }
    }

    /// <summary>What an operator can do about a failure.</summary>
    /// <param name="exception">The failure.</param>
    /// <returns>A sentence; null when the failure is not an operator's to mend.</returns>
    public static string? Explain(Exception exception) => exception switch
    {
        OtherSchemaException other => other.Message,
        OptionsValidationException wrong => string.Join(Environment.NewLine, wrong.Failures),
        AggregateException several when several.InnerExceptions.All(each => Explain(each) is not null) =>
            string.Join(Environment.NewLine, several.InnerExceptions.Select(Explain)),
        IOException { InnerException: AddressInUseException } taken =>
            $"{taken.Message} End the process that listens there, or choose another address with ASPNETCORE_URLS.",
        NpgsqlException unreachable => $"PostgreSQL cannot be used: {unreachable.Message}",
        // EF wraps what it gave up retrying; a missing connection string or an option that does not convert is one too.
        InvalidOperationException or RetryLimitExceededException
            when exception.InnerException is { } inner && Explain(inner) is { } cause => cause,
        InvalidOperationException invalid when invalid.Message.Contains("onnection string", StringComparison.Ordinal)
            || invalid.Message.StartsWith("ConnectionString is missing", StringComparison.Ordinal)
            || invalid.Message.StartsWith("Failed to convert configuration", StringComparison.Ordinal)
            || invalid.Message.StartsWith("Unable to configure HTTPS endpoint", StringComparison.Ordinal)
            => invalid.Message,
        _ => null,
    };
}
