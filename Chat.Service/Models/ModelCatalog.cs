using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace Chat.Service.Models;

/// <summary>The models that users can name.</summary>
internal sealed class ModelCatalog : IDisposable
{
    /// <summary>
    /// How much later than a request's first byte a stream's first piece may come. There may be retries before, and the
    /// circuit breaker must have seen the byte missing before the stream is given up.
    /// </summary>
    private const int PiecesAfterBytes = 2;

    private const int DefaultMaxOutputTokens = 4_096;

    private readonly Dictionary<string, ChatModel> _byName = new(StringComparer.Ordinal);

    /// <summary>Makes the models of the configuration.</summary>
    /// <param name="options">The prices and limits of those that have none of their own.</param>
    /// <param name="models">The models.</param>
    /// <param name="clients">Ways to their endpoints.</param>
    /// <param name="environment">Names their exported telemetry, and says what a mock obeys.</param>
    /// <param name="clock">The time.</param>
    /// <param name="logger">Says which model was passed over.</param>
    public ModelCatalog(
        IOptions<ChatSettings> options,
        IOptions<ModelSettings> models,
        IHttpClientFactory clients,
        IHostEnvironment environment,
        TimeProvider clock,
        ILogger<ModelCatalog> logger)
    {
        var configured = models.Value.Models;
        if (configured.Count == 0)
        {
            configured = new() { [MockChatClient.ModelId] = new() };
        }

        var candidates = configured.ToDictionary(
            model => model.Key,
            model => new Candidate(
                model.Key,
                Observed(CreateClient(model.Key, model.Value, options.Value, clients, environment, clock), environment),
                model.Value.FirstByteTimeout * PiecesAfterBytes,
                MaxOutputTokensOf(model.Value)),
            StringComparer.Ordinal);
        foreach (var (name, model) in configured)
        {
            _byName[name] = new(
                name,
                new FallbackChatClient(
                    [candidates[name], .. model.Fallbacks.Select(fallback => candidates[fallback])], clock, logger),
                model.Price is { } price
                    ? new()
                    {
                        Input = price.Input, CachedInput = price.CachedInput, Output = price.Output,
                        Minimum = price.Minimum,
                    }
                    : Price.Flat(model.Cost ?? options.Value.Cost),
                model.Timeout ?? options.Value.ModelTimeout)
            {
                MaxOutputTokens = MaxOutputTokensOf(model),
                Tokens = model.Tokenizer == TokenCounter.BytesName ? TokenCounter.Bytes : TokenCounter.O200k,
                Margin = model.Margin,
            };
            if (model.Price is not null)
            {
                _byName[name].Tokens.Load();
            }
        }

        var first = models.Value.DefaultModel ?? configured.Keys.Single();
        All = [_byName[first], .. _byName.Values.Where(model => model.Name != first)];
    }

    /// <summary>Gets all of them, the default one first.</summary>
    public IReadOnlyList<ChatModel> All { get; }

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name; null for the default one.</param>
    /// <returns>The model, or null when there is none of that name.</returns>
    public ChatModel? Find(string? name) => name is null ? All[0] : _byName.GetValueOrDefault(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var model in All)
        {
            model.Client.Dispose();
        }
    }

    private static int? MaxOutputTokensOf(ModelOptions model) =>
        model.MaxOutputTokens ?? (model.Price is null ? null : DefaultMaxOutputTokens);

    private static IChatClient CreateClient(
        string name,
        ModelOptions model,
        ChatSettings settings,
        IHttpClientFactory clients,
        IHostEnvironment environment,
        TimeProvider clock) => model.ProviderOf(name) is ModelOptions.OpenAi
            ? new UpstreamChatClient(
                name,
                model,
                model.Timeout ?? settings.ModelTimeout,
                clients.CreateClient(Upstream.ClientOf(name)),
                clock)
            : new MockChatClient(model.Script, takesDirectives: environment.IsDevelopment(), clock);

    /// <summary>Spans and metrics by OpenTelemetry's conventions for generative AI, without what is said.</summary>
    private static IChatClient Observed(IChatClient client, IHostEnvironment environment) =>
        new ChatClientBuilder(client).UseOpenTelemetry(sourceName: environment.ApplicationName).Build();
}
