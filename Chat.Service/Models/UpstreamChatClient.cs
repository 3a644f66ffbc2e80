using System.ClientModel;
using System.ClientModel.Primitives;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;
using Polly.CircuitBreaker;
using Polly.Timeout;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Chat.Service.Models;

/// <summary>
/// A model behind an endpoint that speaks OpenAI's language. What goes wrong there is told without the endpoint's key,
/// which some endpoints repeat in their errors.
/// </summary>
internal sealed class UpstreamChatClient : DelegatingChatClient
{
    private const int MaxErrorLength = 500;

    private readonly string _name;
    private readonly string? _key;

    /// <summary>Makes the client.</summary>
    /// <param name="name">The model's name.</param>
    /// <param name="model">Where it is.</param>
    /// <param name="timeout">How long an answer may take.</param>
    /// <param name="http">The way there. It tries again by itself.</param>
    /// <param name="clock">The time.</param>
    public UpstreamChatClient(string name, ModelOptions model, TimeSpan timeout, HttpClient http, TimeProvider clock)
        : base(Connect(model.Model ?? name, model, timeout, http, clock)) => (_name, _key) = (name, model.ApiKey);

    /// <inheritdoc/>
    public override Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await using var updates = base.GetStreamingResponseAsync(messages, options, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            try
            {
                if (!await updates.MoveNextAsync())
                {
                    yield break;
                }
            }
            catch (Exception failed) when (failed is not OperationCanceledException)
            {
                throw Tell(failed);
            }

            yield return updates.Current;
        }
    }

    private static IChatClient Connect(
        string model, ModelOptions options, TimeSpan timeout, HttpClient http, TimeProvider clock) => new ChatClient(
            model,
            // The library wants a key, also for an endpoint that wants none.
            new ApiKeyCredential(options.ApiKey ?? "none"),
            new OpenAIClientOptions
            {
                Endpoint = new(options.Endpoint!),
                Transport = new Transport(http, timeout, clock),
                RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
                NetworkTimeout = Timeout.InfiniteTimeSpan,
            }).AsIChatClient();

    private Exception Tell(Exception failed) => failed switch
    {
        TimeoutRejectedException => new TimeoutException($"The model '{_name}' did not answer in time."),
        BrokenCircuitException =>
            new ModelException($"The model '{_name}' has failed too often and is left alone for a while."),
        _ => new ModelException($"The model '{_name}' failed: {Redact(failed.Message)}"),
    };

    private string Redact(string message)
    {
        var safe = string.IsNullOrEmpty(_key) ? message : message.Replace(_key, "***", StringComparison.Ordinal);
        return safe.Length > MaxErrorLength ? safe[..MaxErrorLength] : safe;
    }

    /// <summary>Says to the retries, who see requests only, what the library knows about one.</summary>
    private sealed class Transport(HttpClient http, TimeSpan timeout, TimeProvider clock)
        : HttpClientPipelineTransport(http)
    {
        protected override void OnSendingRequest(PipelineMessage message, HttpRequestMessage httpRequest)
        {
            base.OnSendingRequest(message, httpRequest);
            httpRequest.Options.Set(Upstream.Deadline, clock.GetUtcNow() + timeout);
        }
    }
}
