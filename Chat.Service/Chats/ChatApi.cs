using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Chat.Service.Conversations;
using Chat.Service.Models;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.AI;
using Answer = Microsoft.AspNetCore.Http.HttpResults.Results<
    Microsoft.AspNetCore.Http.HttpResults.Created<Chat.Service.Chats.ChatResponse>,
    Microsoft.AspNetCore.Http.HttpResults.EmptyHttpResult,
    Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult>;

namespace Chat.Service.Chats;

/// <summary>Messages and their replies.</summary>
internal static class ChatApi
{
    /// <summary>Maps <c>POST /api/chat</c>.</summary>
    public static void MapChats(this IEndpointRouteBuilder app) => app.MapGroup("/api/chat")
        .WithTags("Chat").RequireAuthorization(Tokens.ChatPolicy).MapPost("/", Send).WithSummary("Send a message")
        .Refuses([IdempotencyKey.Invalid(), ChatProblems.UnknownModel("gpt-0"), .. ChatProblems.All])
        .Gives("text/event-stream", ReplyEvents.Example);

    /// <summary>Sends a message to a model and pays for the reply.</summary>
    /// <remarks>
    /// With <c>Accept: text/event-stream</c> the reply comes as events while the model writes it. A message that is not
    /// answered costs nothing.
    /// </remarks>
    internal static async Task<Answer> Send(
        ChatRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        ModelCatalog models,
        Memory memory,
        ChatRendering rendering,
        HttpContext http)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        if (models.Find(request.Model) is not { } model)
        {
            return ChatProblems.UnknownModel(request.Model!);
        }

        var userId = user.GetUserId();
        var chat = PendingChat.New(userId, "chat", key, request.Message) with
        {
            Model = request.Model,
            Conversation = request.Conversation,
            Key = user.GetApiKey(),
        };
        var prompt = new Prompt(model, [new(ChatRole.User, request.Message)])
        {
            Memory = memory.Of(userId, request.Conversation, request.Message.Length),
        };
        return await AnswerAsync(chat, prompt, rendering, http);
    }

    /// <summary>Answers a message whole, or as a stream of events where the caller asks for that.</summary>
    /// <param name="chat">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="rendering">Answers.</param>
    /// <param name="http">The request.</param>
    internal static Task<Answer> AnswerAsync(
        PendingChat chat, Prompt prompt, ChatRendering rendering, HttpContext http) => rendering.AnswerAsync(
        chat,
        prompt,
        stored => TypedResults.Created($"/api/chat/{stored.Id}", stored.ToResponse()),
        EventStream.IsAskedFor(http.Request) ? events => new ReplyEvents(events) : null,
        http);
}

/// <summary>A message to a model.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Message">1 to 32,768 bytes of UTF-8.</param>
/// <param name="Model">One of GET /api/v1/models; null for the default one.</param>
/// <param name="Conversation">
/// A name that the client makes: messages under the same one are told to the model together.
/// </param>
/// <example>{"message":"Hello AI"}</example>
public sealed record ChatRequest(
    [Required(ErrorMessage = "The message must not be empty."), ChatMessage] string Message,
    string? Model = null,
    Guid? Conversation = null);

/// <summary>A message and its reply.</summary>
/// <param name="Id">The chat's number.</param>
/// <param name="User">Whose it is.</param>
/// <param name="Message">What the user said.</param>
/// <param name="Response">What the model answered.</param>
/// <param name="Timestamp">When it was stored, in UTC.</param>
/// <param name="Cost">What was charged, in tokens.</param>
/// <param name="Tokens">The user's tokens right after the charge; null for a chat from another system.</param>
/// <param name="Model">The model, where one was asked for by name.</param>
/// <param name="Conversation">The conversation, where there is one.</param>
/// <example>
/// {"id":1,"user":1,"message":"Hello AI","response":"AI Response to: Hello AI","timestamp":"2025-01-06T12:34:56.789Z",
/// "cost":100,"tokens":3900}
/// </example>
internal sealed record ChatResponse(
    long Id,
    long User,
    string Message,
    string Response,
    DateTime Timestamp,
    long Cost,
    long? Tokens,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Model,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Conversation)
{
    /// <summary>Why the reply ended early: cancelled, as its caller had left. Null where it is whole.</summary>
    [JsonPropertyName("finish_reason"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? FinishReason { get; init; }

    /// <summary>What the model used, where one chat is asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatUsage? Usage { get; init; }

    /// <summary>One, where the API's description needs it as a text.</summary>
    public const string Example = "{\"id\":1,\"user\":1,\"message\":\"Hello AI\","
        + "\"response\":\"AI Response to: Hello AI\",\"timestamp\":\"2025-01-06T12:34:56.789Z\","
        + "\"cost\":100,\"tokens\":3900}";
}

/// <summary>What a model used for a reply, and what that costs.</summary>
/// <param name="Model">The model that was asked.</param>
/// <param name="AnsweredBy">The model that answered: the same, or a fallback.</param>
/// <param name="InputTokens">The model's tokens of what it was told, cached ones included.</param>
/// <param name="CachedTokens">Those of them that the endpoint had in its cache.</param>
/// <param name="OutputTokens">The model's tokens of what it said, reasoning included.</param>
/// <param name="Estimated">Whether the endpoint did not report its tokens.</param>
/// <param name="Price">The price of the model that was asked.</param>
/// <param name="FinishReason">Why the reply ended there: stop, length, …; cancelled when its caller left.</param>
/// <param name="FirstPieceMs">How long the first piece took, in milliseconds.</param>
/// <param name="DurationMs">How long all took, in milliseconds.</param>
/// <param name="Key">The number of the API key with which it was asked for, if any.</param>
internal sealed record ChatUsage(
    [property: JsonPropertyName("model")] string Model,
    [property: JsonPropertyName("answered_by")] string AnsweredBy,
    [property: JsonPropertyName("input_tokens")] long InputTokens,
    [property: JsonPropertyName("cached_tokens")] long CachedTokens,
    [property: JsonPropertyName("output_tokens")] long OutputTokens,
    [property: JsonPropertyName("estimated")] bool Estimated,
    [property: JsonPropertyName("price")] Price Price,
    [property: JsonPropertyName("finish_reason")] string FinishReason,
    [property: JsonPropertyName("first_piece_ms")] int FirstPieceMs,
    [property: JsonPropertyName("duration_ms")] int DurationMs,
    [property: JsonPropertyName("key")] long? Key)
{
    /// <summary>The usage that is kept with a chat.</summary>
    /// <param name="chat">The chat.</param>
    /// <returns>The usage; null of an imported chat.</returns>
    public static ChatUsage? Of(StoredChat chat) => chat.Price is null ? null : new(
        chat.Model!, chat.AnsweredBy!, chat.InputTokens!.Value, chat.CachedTokens!.Value, chat.OutputTokens!.Value,
        chat.IsUsageEstimated!.Value, Price.Parse(chat.Price), chat.FinishReason!, chat.FirstPieceMs!.Value,
        chat.DurationMs!.Value, chat.KeyId);
}
