using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace Chat.Service.Models;

/// <summary>
/// A model behind an endpoint that speaks OpenAI's language. Its stream is read here and not by OpenAI's library, which
/// loses a whole reply over a figure or a word that it does not know. What goes wrong is told without the endpoint's
/// key, which some endpoints repeat in their errors.
/// </summary>
/// <param name="name">The model's name.</param>
/// <param name="model">Where it is.</param>
/// <param name="timeout">How long an answer may take.</param>
/// <param name="http">The way there. It tries again by itself.</param>
/// <param name="clock">The time.</param>
internal sealed class UpstreamChatClient(
    string name, ModelOptions model, TimeSpan timeout, HttpClient http, TimeProvider clock) : IChatClient
{
    private const int MaxErrorLength = 500;

    private readonly Uri _address = new($"{model.Endpoint!.TrimEnd('/')}/chat/completions");
    private readonly ChatClientMetadata _metadata = new("openai", new(model.Endpoint!), model.Model ?? name);

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await using var updates = AskAsync(messages, options, cancellationToken).GetAsyncEnumerator(cancellationToken);
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

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType == typeof(ChatClientMetadata) ? _metadata : null;

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private async IAsyncEnumerable<ChatResponseUpdate> AskAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _address)
        {
            Content = new ByteArrayContent(UpstreamRequest.Write(model.Model ?? name, messages, options))
            {
                Headers = { ContentType = new("application/json") },
            },
        };
        request.Headers.Accept.Add(new("text/event-stream"));
        request.Headers.Authorization = model.ApiKey is { } key ? new AuthenticationHeaderValue("Bearer", key) : null;
        request.Options.Set(Upstream.Deadline, clock.GetUtcNow() + timeout);
        using var response = await http.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"HTTP {(int)response.StatusCode}: {await BeginAsync(body, cancellationToken)}");
        }

        var usage = new UsageDetails();
        await foreach (var item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            if (item.Data is UpstreamChunk.End)
            {
                break;
            }

            if (item.Data.Length == 0)
            {
                continue;
            }

            using var chunk = JsonDocument.Parse(item.Data);
            UpstreamChunk.ReadUsage(chunk.RootElement, usage);
            var update = UpstreamChunk.Read(chunk.RootElement);
            if (update.Text.Length > 0 || update.FinishReason is not null)
            {
                yield return update; // Of what says nothing there may be no end.
            }
        }

        // Once, at the end: some endpoints count up in every chunk.
        yield return new ChatResponseUpdate { Contents = [new UsageContent(usage)] };
    }

    /// <summary>The beginning of an error, whose length nobody knows.</summary>
    private static async Task<string> BeginAsync(Stream body, CancellationToken cancellationToken)
    {
        var begin = new byte[4 * MaxErrorLength];
        var length = await body.ReadAtLeastAsync(begin, begin.Length, throwOnEndOfStream: false, cancellationToken);
        return System.Text.Encoding.UTF8.GetString(begin, 0, length);
    }

    private Exception Tell(Exception failed) => failed switch
    {
        TimeoutRejectedException => new TimeoutException($"The model '{name}' did not answer in time."),
        BrokenCircuitException =>
            new ModelException($"The model '{name}' has failed too often and is left alone for a while."),
        _ => new ModelException($"The model '{name}' failed: {Redact(failed.Message)}"),
    };

    private string Redact(string message)
    {
        var safe = string.IsNullOrEmpty(model.ApiKey)
            ? message
            : message.Replace(model.ApiKey, "***", StringComparison.Ordinal);
        return safe.Length > MaxErrorLength ? safe[..MaxErrorLength] : safe;
    }
}
