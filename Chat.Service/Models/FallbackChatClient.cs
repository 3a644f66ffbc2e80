using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>A model that may be asked.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Client">Asks it.</param>
/// <param name="FirstPieceTimeout">How long a stream may take to its first piece.</param>
/// <param name="MaxOutputTokens">The most tokens that it may be asked for; null for no limit.</param>
internal sealed record Candidate(
    string Name, IChatClient Client, TimeSpan FirstPieceTimeout, int? MaxOutputTokens = null);

/// <summary>
/// Asks models in their order until one answers. A stream belongs to the model whose first piece has come: what fails
/// from then on has failed. The first update has no text and names the model.
/// </summary>
/// <param name="candidates">The models, the one asked for first.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">Says which model was passed over.</param>
internal sealed class FallbackChatClient(IReadOnlyList<Candidate> candidates, TimeProvider clock, ILogger logger)
    : IChatClient
{
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
        var begun = await BeginAsync([.. messages], options, cancellationToken);
        await using var updates = begun.Updates;
        yield return new ChatResponseUpdate { ModelId = begun.Model };
        foreach (var update in begun.Head)
        {
            yield return update;
        }

        while (await updates.MoveNextAsync())
        {
            yield return updates.Current;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        candidates[0].Client.GetService(serviceType, serviceKey);

    /// <inheritdoc/>
    public void Dispose() => candidates[0].Client.Dispose(); // The others are disposed of as models of their own.

    private async Task<Begun> BeginAsync(
        IReadOnlyList<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        for (var n = 0; ; n++)
        {
            try
            {
                return await BeginAsync(candidates[n], messages, options, cancellationToken);
            }
            catch (Exception failed) when (n + 1 < candidates.Count && !cancellationToken.IsCancellationRequested)
            {
                logger.LogWarning(
                    failed, "The model {Model} failed before its first piece; {Next} is asked",
                    candidates[n].Name, candidates[n + 1].Name);
            }
        }
    }

    /// <summary>Asks one model and reads up to its first piece of text. One that has none has failed.</summary>
    private async Task<Begun> BeginAsync(
        Candidate candidate,
        IReadOnlyList<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken)
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var updates = new Enumeration(
            candidate.Client
                .GetStreamingResponseAsync(messages, options.Within(candidate.MaxOutputTokens), patience.Token)
                .GetAsyncEnumerator(patience.Token),
            patience);
        try
        {
            using var late = new CancellationTokenSource(candidate.FirstPieceTimeout, clock);
            using var whenLate = late.Token.Register(patience.Cancel);
            var head = new List<ChatResponseUpdate>();
            while (await updates.MoveNextAsync().AsTask().WaitAsync(patience.Token))
            {
                head.Add(updates.Current);
                if (updates.Current.Text.Length > 0)
                {
                    return new(candidate.Name, updates, head);
                }
            }

            throw new ModelException($"The model '{candidate.Name}' ended without a word.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await updates.DisposeAsync();
            throw new TimeoutException(
                $"The model '{candidate.Name}' said nothing for {candidate.FirstPieceTimeout}.");
        }
        catch
        {
            await updates.DisposeAsync();
            throw;
        }
    }

    private readonly record struct Begun(string Model, Enumeration Updates, List<ChatResponseUpdate> Head);

    /// <summary>A stream with the token that it was begun with.</summary>
    private sealed class Enumeration(IAsyncEnumerator<ChatResponseUpdate> updates, CancellationTokenSource patience)
        : IAsyncDisposable
    {
        private Task<bool> _next = Task.FromResult(false);

        public ChatResponseUpdate Current => updates.Current;

        public ValueTask<bool> MoveNextAsync()
        {
            _next = updates.MoveNextAsync().AsTask();
            return new(_next);
        }

        public async ValueTask DisposeAsync()
        {
            await patience.CancelAsync();
            await ReplyDraft.LeaveAsync(updates, _next);
            patience.Dispose();
        }
    }
}
