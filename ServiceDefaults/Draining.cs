using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.Hosting;

/// <summary>What a service says that stops: nothing was done, and another replica may.</summary>
public static class Draining
{
    /// <summary>The header of such a refusal, which the gateway keeps to itself.</summary>
    public const string Header = "X-Draining";
}

/// <summary>Fails as soon as the service is told to stop, so that nobody chooses it any more.</summary>
/// <param name="lifetime">Says when.</param>
internal sealed class StoppingCheck(IHostApplicationLifetime lifetime) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
            lifetime.ApplicationStopping.IsCancellationRequested
                ? HealthCheckResult.Unhealthy("The service stops.")
                : HealthCheckResult.Healthy());
}
