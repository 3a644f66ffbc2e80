namespace Aspire.Npgsql.EntityFrameworkCore.PostgreSQL;

/// <summary>
/// Settings of a context on PostgreSQL, read from <c>Aspire:Npgsql:EntityFrameworkCore:PostgreSQL</c>, then from its
/// subsections of the connection's and of the context's name.
/// </summary>
public class NpgsqlEntityFrameworkCorePostgreSQLSettings
{
    /// <summary>The connection string. <c>ConnectionStrings:{name}</c> goes before it.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>Whether commands that fail for a passing reason are not tried again.</summary>
    public bool DisableRetry { get; set; }

    /// <summary>Whether no health check is added.</summary>
    public bool DisableHealthChecks { get; set; }

    /// <summary>Whether no spans are recorded.</summary>
    public bool DisableTracing { get; set; }

    /// <summary>Whether no metrics are recorded.</summary>
    public bool DisableMetrics { get; set; }

    /// <summary>How long a command may take, in seconds; the provider's default when null.</summary>
    public int? CommandTimeout { get; set; }
}
