using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Yarp.ReverseProxy.Configuration;

namespace Gateway.Description;

/// <summary>
/// The description of the whole API, kept for a while. When a service does not answer it stays what it was.
/// </summary>
/// <param name="clients">Makes clients that find services.</param>
/// <param name="configuration">The routes, and the services behind them.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Told when a service does not answer.</param>
internal sealed class JoinedDescription(
    IHttpClientFactory clients,
    IEnumerable<IProxyConfigProvider> configuration,
    TimeProvider clock,
    ILogger<JoinedDescription> logger)
{
    /// <summary>How long a description is kept. Those of the services change with the services alone.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    /// <summary>How long nobody is asked again after a service did not answer.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>The longest description of a service, in bytes.</summary>
    private const int MaxBytes = 4 * 1024 * 1024;

    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // It is JSON of its own, never a part of a page.
    };

    private readonly Lock _lock = new();
    private Task<byte[]?> _answer = Task.FromResult<byte[]?>(null);
    private byte[]? _last;
    private DateTimeOffset _until;

    /// <summary>The description. Requests that come together ask the services once.</summary>
    /// <param name="cancellationToken">Ends the wait of this caller.</param>
    /// <returns>JSON; null when there is none yet.</returns>
    public Task<byte[]?> GetAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_answer.IsCompleted && clock.GetUtcNow() >= _until)
            {
                _answer = Task.Run(JoinAsync, CancellationToken.None);
            }

            // What is a little old is better than a wait for a service that may not answer.
            return _last is { } last ? Task.FromResult<byte[]?>(last) : _answer.WaitAsync(cancellationToken);
        }
    }

    private async Task<byte[]?> JoinAsync()
    {
        try
        {
            var all = configuration.Select(provider => provider.GetConfig()).ToList();
            var documents = await Task.WhenAll(all.SelectMany(each => each.Clusters).Select(ReadAsync));
            var joined = DocumentJoin.Join([.. all.SelectMany(each => each.Routes)], documents.ToDictionary());
            _last = JsonSerializer.SerializeToUtf8Bytes(joined, Readable);
            _until = clock.GetUtcNow() + Lifetime;
        }
        catch (Exception exception)
        {
            logger.LogWarning(exception, "The services' descriptions could not be joined");
            _until = clock.GetUtcNow() + Pause;
        }

        return _last;
    }

    private async Task<KeyValuePair<string, JsonObject>> ReadAsync(ClusterConfig cluster)
    {
        using var client = clients.CreateClient(nameof(JoinedDescription));
        client.MaxResponseContentBufferSize = MaxBytes;
        var address = new Uri(new(cluster.Destinations!.Values.First().Address), DescriptionApi.Path);
        return KeyValuePair.Create(cluster.ClusterId, (await client.GetFromJsonAsync<JsonObject>(address))!);
    }
}
