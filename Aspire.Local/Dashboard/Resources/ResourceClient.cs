using Aspire.Dashboard.Access;
using Aspire.Dashboard.Resources.Wire;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;

namespace Aspire.Dashboard.Resources;

/// <summary>Listens to the AppHost, and gives its resources commands.</summary>
public sealed class ResourceClient : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ResourceStore _store;
    private readonly ResourceServiceOptions _options;
    private readonly ILogger _logger;
    private readonly GrpcChannel? _channel;

    /// <summary>Makes the client, which starts listening when the dashboard starts.</summary>
    internal ResourceClient(ResourceStore store, IOptions<DashboardOptions> options, ILogger<ResourceClient> logger)
    {
        (_store, _options, _logger) = (store, options.Value.ResourceServiceClient, logger);
        _channel = _options.Url is { } url ? GrpcChannel.ForAddress(url) : null;
    }

    /// <summary>Whether there is an AppHost to listen to.</summary>
    public bool IsEnabled => _channel is not null;

    /// <summary>Gives a resource a command.</summary>
    /// <param name="id">A process, or a resource: all its processes.</param>
    /// <param name="command">start, stop or restart.</param>
    /// <returns>Null when it was carried out; otherwise why not.</returns>
    public async Task<string?> ExecuteAsync(string id, string command)
    {
        if (_channel is null)
        {
            return "There is no AppHost.";
        }

        try
        {
            var answer = await new ResourceService.ResourceServiceClient(_channel).ExecuteAsync(
                new() { Id = id, Command = command }, Headers());
            return answer.Success ? null : answer.Message;
        }
        catch (RpcException exception)
        {
            return $"The AppHost does not answer: {exception.Status.Detail}";
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _channel?.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (_channel is not null && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                using var call = new ResourceService.ResourceServiceClient(_channel).Watch(
                    new(), Headers(), cancellationToken: stoppingToken);
                await foreach (var update in call.ResponseStream.ReadAllAsync(stoppingToken))
                {
                    _store.Take(update);
                }
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                // The dashboard ends.
            }
            catch (Exception exception) when (exception is RpcException or IOException)
            {
                _logger.LogWarning("The AppHost does not answer: {Problem}", exception.Message);
            }

            _store.Disconnect();
            await Task.Delay(Pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Metadata Headers() => new() { { "x-resource-service-api-key", _options.ApiKey ?? "" } };
}
