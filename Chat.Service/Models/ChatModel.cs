using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>A model that users can name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Client">Answers.</param>
/// <param name="Cost">What a chat costs, in tokens.</param>
/// <param name="Timeout">How long a reply may take.</param>
internal sealed record ChatModel(string Name, IChatClient Client, long Cost, TimeSpan Timeout);

/// <summary>A question to a model.</summary>
/// <param name="Model">The model.</param>
/// <param name="Messages">The messages, the last one to be answered.</param>
/// <param name="Options">Wishes about the answer.</param>
internal sealed record Prompt(ChatModel Model, IReadOnlyList<ChatMessage> Messages, ChatOptions? Options = null)
{
    /// <summary>Reads what was said before. It may be much, so it is read only when the model is asked.</summary>
    public Func<CancellationToken, Task<IReadOnlyList<ChatMessage>>>? Memory { get; init; }

    /// <summary>The question with what was said before it.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<Prompt> RecallAsync(CancellationToken cancellationToken) => Memory is null
        ? this
        : this with { Messages = [.. await Memory(cancellationToken), .. Messages], Memory = null };
}

/// <summary>A model's answer.</summary>
/// <param name="Text">The text.</param>
/// <param name="FinishReason">Why it ended there; null when the model does not say.</param>
/// <param name="Usage">The model's own tokens, which are not the user's; null when it does not say.</param>
internal sealed record Reply(string Text, ChatFinishReason? FinishReason = null, UsageDetails? Usage = null);
