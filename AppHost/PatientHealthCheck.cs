using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AppHost;

/// <summary>
/// Polls <c>/health</c> for up to 5 s before it reports unhealthy. Aspire waits one second longer after each check that
/// fails, so that a service whose first check comes too early would be seen seconds late.
/// </summary>
/// <param name="endpoint">Where the service listens.</param>
internal sealed class PatientHealthCheck(EndpointReference endpoint) : IHealthCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };

    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var address = new Uri(new Uri(endpoint.Url), "/health");
        var begin = TimeProvider.System.GetTimestamp();
        while (true)
        {
            string problem;
            try
            {
                using var response = await Http.GetAsync(address, cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    return HealthCheckResult.Healthy();
                }

                problem = $"{address} answers {(int)response.StatusCode}.";
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                problem = $"{address}: {exception.Message}";
            }

            if (TimeProvider.System.GetElapsedTime(begin) > Patience)
            {
                return HealthCheckResult.Unhealthy(problem);
            }

            await Task.Delay(Interval, cancellationToken);
        }
    }
}

/// <summary>Adds the check.</summary>
internal static class PatientHealthCheckExtensions
{
    /// <summary>Calls a service healthy when its <c>/health</c> is.</summary>
    public static IResourceBuilder<ProjectResource> WithPatientHealthCheck(
        this IResourceBuilder<ProjectResource> service)
    {
        var key = $"{service.Resource.Name}_check";
        service.ApplicationBuilder.Services.AddHealthChecks()
            .AddCheck(key, new PatientHealthCheck(service.GetEndpoint("http")));
        return service.WithHealthCheck(key);
    }
}
