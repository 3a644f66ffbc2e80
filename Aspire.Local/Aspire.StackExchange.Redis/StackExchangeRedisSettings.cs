namespace Aspire.StackExchange.Redis;

/// <summary>
/// Settings of a Redis client, read from <c>Aspire:StackExchange:Redis</c>, then from its subsection of the
/// connection's name.
/// </summary>
public sealed class StackExchangeRedisSettings
{
    /// <summary>The connection string. <c>ConnectionStrings:{name}</c> goes before it.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>Whether no health check is added.</summary>
    public bool DisableHealthChecks { get; set; }

    /// <summary>Whether no spans are recorded.</summary>
    public bool DisableTracing { get; set; }
}
