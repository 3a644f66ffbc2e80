using System.Text.Json.Serialization;
using Chat.Service.Chats;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Mvc;

namespace Chat.Service.OpenAi;

/// <summary>
/// A completion as a stream of OpenAI's: a chunk with the role, one for each piece, one with the reason for the end,
/// one with the usage where it is wanted, and <c>[DONE]</c>. One that fails ends with an error and <c>[ERROR]</c>.
/// </summary>
/// <param name="events">The stream.</param>
/// <param name="request">What was asked.</param>
/// <param name="created">When.</param>
internal sealed class CompletionEvents(
    EventStream events, CompletionRequest request, DateTimeOffset created) : IReplyStream
{
    /// <summary>A stream, for the description of the API; shortened.</summary>
    public const string Example = """
        data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"}}]}

        data: [DONE]


        """;

    private string _id = "";
    private bool _hasRole;

    /// <inheritdoc/>
    public bool HasWritten { get; private set; }

    /// <inheritdoc/>
    public void Began(Guid hold)
    {
        _id = Completion.IdOf(hold);
        events.KeepAlive();
    }

    /// <inheritdoc/>
    public async Task WriteAsync(string text, CancellationToken cancellationToken)
    {
        HasWritten = true;
        await SayRoleAsync(cancellationToken);
        await SendAsync(new ChunkDelta(Content: text), finishReason: null, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task DoneAsync(StoredChat chat, CancellationToken cancellationToken)
    {
        var completion = Completion.Of(chat, request);
        await SayRoleAsync(cancellationToken);
        await SendAsync(new ChunkDelta(), completion.Choices[0].FinishReason, cancellationToken);
        if (request.IncludesUsage)
        {
            await SendAsync([], completion.Usage, cancellationToken);
        }

        await events.SendAsync("[DONE]", cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Some clients, OpenAI's own for .NET too, take an error for a piece without text, and what came before for the
    /// whole answer: the last event is no JSON, which stops them. To break the connection would stop all of them, but
    /// the error is lost on its way through the gateway then.
    /// </remarks>
    public async Task ErrorAsync(ProblemDetails problem, CancellationToken cancellationToken)
    {
        await events.SendAsync(
            name: null, OpenAiErrors.Of(problem), OpenAiErrorJson.Default.OpenAiErrorBody, cancellationToken);
        await events.SendAsync("[ERROR]", cancellationToken);
    }

    private async Task SayRoleAsync(CancellationToken cancellationToken)
    {
        if (!_hasRole)
        {
            _hasRole = true;
            await SendAsync(new ChunkDelta(Role: "assistant", Content: ""), finishReason: null, cancellationToken);
        }
    }

    private Task SendAsync(ChunkDelta delta, string? finishReason, CancellationToken cancellationToken) =>
        SendAsync([new(0, delta, finishReason)], usage: null, cancellationToken);

    private Task SendAsync(
        IReadOnlyList<ChunkChoice> choices, CompletionUsage? usage, CancellationToken cancellationToken) =>
        events.SendAsync(
            name: null,
            new CompletionChunk(
                _id, "chat.completion.chunk", created.ToUnixTimeSeconds(), request.Model, choices, usage),
            ChunkJson.Default.CompletionChunk,
            cancellationToken);
}

/// <summary>A piece of a completion.</summary>
/// <param name="Id">The completion's name.</param>
/// <param name="Object">What this is.</param>
/// <param name="Created">When, in seconds since 1970; the same in all pieces.</param>
/// <param name="Model">The model that was asked.</param>
/// <param name="Choices">One choice; none where the usage is told.</param>
/// <param name="Usage">The model's tokens, in the last piece.</param>
internal sealed record CompletionChunk(
    [property: JsonPropertyName("id")] string Id,
    [property: JsonPropertyName("object")] string Object,
    [property: JsonPropertyName("created")] long Created,
    [property: JsonPropertyName("model")] string Model,
    [property: JsonPropertyName("choices")] IReadOnlyList<ChunkChoice> Choices,
    [property: JsonPropertyName("usage")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] CompletionUsage? Usage);

/// <summary>A piece of an answer.</summary>
/// <param name="Index">Always 0.</param>
/// <param name="Delta">What comes to what was before.</param>
/// <param name="FinishReason">Why it ended there, in the last one.</param>
internal sealed record ChunkChoice(
    [property: JsonPropertyName("index")] int Index,
    [property: JsonPropertyName("delta")] ChunkDelta Delta,
    [property: JsonPropertyName("finish_reason")] string? FinishReason);

/// <summary>What comes to what was before.</summary>
/// <param name="Role">Whose it is, in the first one.</param>
/// <param name="Content">The text.</param>
internal sealed record ChunkDelta(
    [property: JsonPropertyName("role")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Role = null,
    [property: JsonPropertyName("content")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Content = null);

/// <summary>How pieces are written.</summary>
[JsonSerializable(typeof(CompletionChunk))]
internal sealed partial class ChunkJson : JsonSerializerContext;
