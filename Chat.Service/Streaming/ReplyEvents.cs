using System.Text.Json.Serialization;
using Chat.Service.Chats;
using Microsoft.AspNetCore.Mvc;

namespace Chat.Service.Streaming;

/// <summary>
/// A reply as the events of POST /api/chat: <c>delta</c> for each piece, and at the end <c>done</c> with the chat and
/// its receipt, or <c>error</c> with problem details.
/// </summary>
/// <param name="events">The stream.</param>
internal sealed class ReplyEvents(EventStream events) : IReplyStream
{
    /// <summary>A stream, for the description of the API.</summary>
    public const string Example = $$$"""
        event: delta
        data: {"text":"AI Response to: Hello AI"}

        event: done
        data: {"chat":{{{ChatResponse.Example}}},"receipt":{{{Receipt.Example}}}}


        """;

    /// <inheritdoc/>
    public void Began(Guid hold) => events.KeepAlive();

    /// <inheritdoc/>
    public bool HasWritten { get; private set; }

    /// <inheritdoc/>
    public Task WriteAsync(string text, CancellationToken cancellationToken)
    {
        HasWritten = true;
        return events.SendAsync("delta", new Delta(text), StreamingJson.Default.Delta, cancellationToken);
    }

    /// <inheritdoc/>
    public Task DoneAsync(StoredChat chat, CancellationToken cancellationToken) => events.SendAsync(
        "done",
        new Done(chat.ToResponse(), new(chat.Cost, chat.HoldId, chat.Tokens!.Value)),
        StreamingJson.Default.Done,
        cancellationToken);

    /// <inheritdoc/>
    public Task ErrorAsync(ProblemDetails problem, CancellationToken cancellationToken)
    {
        problem.Extensions["traceId"] = events.TraceId;
        return events.SendAsync("error", problem, StreamingJson.Default.ProblemDetails, cancellationToken);
    }
}

/// <summary>A piece of a reply.</summary>
/// <param name="Text">The piece; all of them together are the reply.</param>
internal sealed record Delta(string Text);

/// <summary>The end of a reply.</summary>
/// <param name="Chat">The chat, as GET /api/chat shows it.</param>
/// <param name="Receipt">What it cost.</param>
internal sealed record Done(ChatResponse Chat, Receipt Receipt);

/// <summary>What a chat cost.</summary>
/// <param name="Cost">Tokens.</param>
/// <param name="Charge">The charge's name, which GET /api/tokens/history shows.</param>
/// <param name="Tokens">The user's tokens right after it.</param>
internal sealed record Receipt(long Cost, Guid Charge, long Tokens)
{
    /// <summary>One, for the description of the API.</summary>
    public const string Example =
        """{"cost":100,"charge":"018f3b1c-7a52-8c4e-9d10-6f2b8e5a4c37","tokens":3900}""";
}

/// <summary>How events are written.</summary>
[JsonSerializable(typeof(ChatResponse))]
[JsonSerializable(typeof(Delta))]
[JsonSerializable(typeof(Done))]
[JsonSerializable(typeof(ProblemDetails))]
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
internal sealed partial class StreamingJson : JsonSerializerContext;
