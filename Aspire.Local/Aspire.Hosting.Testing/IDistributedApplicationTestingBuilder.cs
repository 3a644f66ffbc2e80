namespace Aspire.Hosting.Testing;

/// <summary>An AppHost's application, described by its own Main, for a test to change, build and start.</summary>
public interface IDistributedApplicationTestingBuilder : IDistributedApplicationBuilder, IAsyncDisposable, IDisposable
{
    /// <summary>Ends the description.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The application, ready to start. Disposing it stops and frees all it started.</returns>
    Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken = default);
}
