using Microsoft.Extensions.AI;

namespace Chat.Service.Models;

/// <summary>A model that users can name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Client">Answers.</param>
/// <param name="Price">What a chat costs.</param>
/// <param name="Timeout">How long a reply may take.</param>
internal sealed record ChatModel(string Name, IChatClient Client, Price Price, TimeSpan Timeout)
{
    /// <summary>The most tokens a reply may have; null for no limit of ours.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Counts tokens before a model is asked, and where its endpoint does not.</summary>
    public TokenCounter Tokens { get; init; } = TokenCounter.Bytes;

    /// <summary>What the endpoint may count more than <see cref="Tokens"/>: 0.2 is a fifth.</summary>
    public double Margin { get; init; }
}

/// <summary>A question to a model.</summary>
/// <param name="Model">The model.</param>
/// <param name="Messages">The messages, the last one to be answered.</param>
/// <param name="Options">Wishes about the answer.</param>
internal sealed record Prompt(ChatModel Model, IReadOnlyList<ChatMessage> Messages, ChatOptions? Options = null)
{
    /// <summary>Reads what was said before. It may be much, so it is read only when it is needed.</summary>
    public Func<CancellationToken, Task<IReadOnlyList<ChatMessage>>>? Memory { get; init; }

    /// <summary>Gets the most tokens that the answer may have; null for no limit.</summary>
    public int? MaxOutputTokens => ToOptions()?.MaxOutputTokens;

    /// <summary>The question with what was said before it.</summary>
    /// <param name="cancellationToken">Ends the query.</param>
    public async Task<Prompt> RecallAsync(CancellationToken cancellationToken) => Memory is null
        ? this
        : this with { Messages = [.. await Memory(cancellationToken), .. Messages], Memory = null };

    /// <summary>The most credits that the answer can cost.</summary>
    public long MostCredits() => Model.Price is { Request: { } flat }
        ? flat
        : Model.Price.Of(new(
            Model.Tokens.CountMost(Messages, Model.Margin), CachedTokens: 0, MaxOutputTokens ?? int.MaxValue));

    /// <summary>The wishes, within what the model's configuration allows.</summary>
    public ChatOptions? ToOptions() => Options.Within(Model.MaxOutputTokens);
}

/// <summary>Limits of what a model is asked for.</summary>
internal static class OutputLimit
{
    /// <summary>Wishes with a limit of the answer's tokens.</summary>
    /// <param name="options">The wishes, which stay as they are.</param>
    /// <param name="most">The limit; null for none.</param>
    public static ChatOptions? Within(this ChatOptions? options, int? most)
    {
        if (most is null || options?.MaxOutputTokens <= most)
        {
            return options;
        }

        var limited = options?.Clone() ?? new();
        limited.MaxOutputTokens = most;
        return limited;
    }
}

/// <summary>A model's answer.</summary>
/// <param name="Text">The text.</param>
/// <param name="AnsweredBy">The model that gave it: the one that was asked, or a fallback.</param>
/// <param name="FinishReason">Why it ended there; <see cref="Cancelled"/> when its caller left.</param>
/// <param name="Usage">The model's own tokens.</param>
/// <param name="FirstPieceAfter">How long the first piece took.</param>
/// <param name="Duration">How long all took, a slow reader included.</param>
internal sealed record Reply(
    string Text,
    string AnsweredBy,
    string FinishReason,
    ModelUsage Usage,
    TimeSpan FirstPieceAfter,
    TimeSpan Duration)
{
    /// <summary>Why an answer ended whose caller has left. OpenAI has no word for it.</summary>
    public const string Cancelled = "cancelled";
}
