using System.Text.Json;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Orchestration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Publishing;

/// <summary>
/// Writes <c>aspire-manifest.json</c> and ends the AppHost:
/// <c>--operation publish --step publish-manifest --output-path DIR</c>.
/// </summary>
internal sealed class ManifestPublisher(
    DistributedApplicationModel model,
    DistributedApplicationExecutionContext executionContext,
    EventPublisher events,
    IConfiguration configuration,
    IHostApplicationLifetime lifetime,
    ILogger<DistributedApplication> logger) : IHostedService
{
    /// <summary>The one step there is.</summary>
    public const string Step = "publish-manifest";

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (configuration["Pipeline:Step"] is var step && step != Step)
        {
            throw new DistributedApplicationException(
                $"The step to publish with is '{step}', and only '{Step}' is known: --operation publish --step {Step} "
                + "--output-path DIR.");
        }

        var path = configuration["Pipeline:OutputPath"] is { Length: > 0 } given
            ? Path.GetFullPath(given.EndsWith(".json", StringComparison.Ordinal)
                ? given
                : Path.Combine(given, "aspire-manifest.json"))
            : throw new DistributedApplicationException("Say where the manifest goes: --output-path DIR.");
        await events.BeforeStartAsync(cancellationToken);
        await WriteAsync(path, cancellationToken);
        logger.LogInformation("Published manifest to: {Path}", path);
        lifetime.StopApplication();
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task WriteAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            // Written beside and moved there when it is whole, so that a failure leaves an earlier manifest as it was.
            var half = $"{path}.{Environment.ProcessId}";
            await using (var file = new FileStream(half, FileMode.Create))
            await using (var writer = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true }))
            {
                await new ManifestPublishingContext(executionContext, path, writer, cancellationToken)
                    .WriteModelAsync(model.Resources);
            }

            File.Move(half, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DistributedApplicationException(
                $"The manifest cannot be written to '{path}': {exception.Message}", exception);
        }
    }
}
