using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json.Serialization;
using Chat.Service.Charges;
using Chat.Service.Conversations;
using Chat.Service.Models;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
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
        .WithTags("Chat").RequireAuthorization(Tokens.UserPolicy).MapPost("/", Send);

    /// <summary>Sends a message to a model and pays for the reply.</summary>
    private static async Task<Answer> Send(
        ChatRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        ModelCatalog models,
        Memory memory,
        ChatAnswers answers,
        IOptions<ChatSettings> options,
        TimeProvider clock,
        HttpContext http,
        CancellationToken cancellationToken)
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
        var charge = new ChatCharge(
            IdempotencyKey.ToTransferId(userId, "chat", key), userId, request.Message, model.Cost)
        {
            Model = request.Model,
            Conversation = request.Conversation,
            Key = user.GetApiKey(),
        };
        var prompt = new Prompt(
            model, await memory.RecallAsync(userId, request.Conversation, request.Message, cancellationToken));
        return await DeliverAsync(
            charge, prompt, isRepeatable: key is not null, answers, options, clock, http, cancellationToken);
    }

    /// <summary>Answers a message whole, or as a stream of events where the caller asks for that.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="isRepeatable">Whether the caller named it, so that it may have been sent before.</param>
    /// <param name="answers">Answers.</param>
    /// <param name="options">How long streams may be silent, and clients.</param>
    /// <param name="clock">The time.</param>
    /// <param name="http">The request.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Answer> DeliverAsync(
        ChatCharge charge,
        Prompt prompt,
        bool isRepeatable,
        ChatAnswers answers,
        IOptions<ChatSettings> options,
        TimeProvider clock,
        HttpContext http,
        CancellationToken cancellationToken)
    {
        if (!EventStream.IsAskedFor(http.Request))
        {
            var (whole, isReplay) = await answers.GetAsync(charge, prompt, isRepeatable, sink: null, cancellationToken);
            return Whole(whole, isReplay, http.Response);
        }

        await using var events = new EventStream(http, options, clock);
        var sink = new ReplyEvents(events);
        var (result, wasBefore) = await answers.GetAsync(charge, prompt, isRepeatable, sink, cancellationToken);
        return await EndAsync(events, sink, result, wasBefore, http.Response, cancellationToken);
    }

    private static Answer Whole(PaidReplyResult result, bool isReplay, HttpResponse response)
    {
        if (result.Chat is not { } chat)
        {
            return ChatProblems.Of(result, response);
        }

        Mark(isReplay, response);
        return TypedResults.Created($"/api/chat/{chat.Id}", chat.ToResponse());
    }

    private static async Task<Answer> EndAsync(
        EventStream events,
        ReplyEvents sink,
        PaidReplyResult result,
        bool isReplay,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        try
        {
            if (result.Chat is { } chat)
            {
                Mark(isReplay, response);
                if (!sink.HasWritten && chat.Response is { Length: > 0 } text) // It was stored before.
                {
                    await sink.WriteAsync(text, cancellationToken);
                }

                await sink.DoneAsync(chat, cancellationToken);
                return TypedResults.Empty;
            }

            if (!await events.HasBegunAsync())
            {
                return ChatProblems.Of(result, response);
            }

            await sink.ErrorAsync(ChatProblems.Of(result).ProblemDetails, cancellationToken);
            return TypedResults.Empty;
        }
        catch (ClientGoneException)
        {
            return TypedResults.Empty; // Nobody hears the end. What is stored is in the history.
        }
    }

    private static void Mark(bool isReplay, HttpResponse response)
    {
        if (isReplay && !response.HasStarted)
        {
            response.Headers[IdempotencyKey.ReplayedHeader] = "true";
        }
    }
}

/// <summary>A message to a model. Public, because validation passes over internal types.</summary>
/// <param name="Message">1 to 32,768 bytes of UTF-8.</param>
/// <param name="Model">One of GET /api/v1/models; null for the default one.</param>
/// <param name="Conversation">
/// A name that the client makes: messages under the same one are told to the model together.
/// </param>
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
internal sealed record ChatResponse(
    long Id,
    long User,
    string Message,
    string Response,
    DateTime Timestamp,
    long Cost,
    long? Tokens,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Model,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? Conversation);
