using Chat.Service.Charges;
using Chat.Service.Models;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>Answers requests whole, or as streams of events.</summary>
/// <param name="answers">The answers.</param>
/// <param name="options">How long streams may be silent, and their clients.</param>
/// <param name="clock">The time.</param>
internal sealed class Delivery(ChatAnswers answers, IOptions<ChatSettings> options, TimeProvider clock)
{
    /// <summary>Answers a request.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="toReply">How events look; null for an answer in one piece.</param>
    /// <param name="http">The request.</param>
    public Task<Delivered> DeliverAsync(
        ChatCharge charge, Prompt prompt, Func<EventStream, IReplyStream>? toReply, HttpContext http) =>
        toReply is null ? AnswerAsync(charge, prompt, http) : StreamAsync(charge, prompt, toReply, http);

    private async Task<Delivered> AnswerAsync(ChatCharge charge, Prompt prompt, HttpContext http)
    {
        var (result, isReplay) = await answers.GetAsync(charge, prompt, sink: null, http.RequestAborted);
        if (result.Chat is null)
        {
            return new(Problem: ChatProblems.Of(result, http.Response));
        }

        Mark(isReplay, http.Response);
        return new(result.Chat, result.Reply);
    }

    private async Task<Delivered> StreamAsync(
        ChatCharge charge, Prompt prompt, Func<EventStream, IReplyStream> toReply, HttpContext http)
    {
        await using var events = new EventStream(http, options, clock);
        var reply = toReply(events);
        var (result, isReplay) = await answers.GetAsync(charge, prompt, reply, http.RequestAborted);
        try
        {
            if (result.Chat is { } chat)
            {
                Mark(isReplay, http.Response);
                if (!reply.HasWritten && chat.Response is { Length: > 0 } text) // It was stored before.
                {
                    reply.Began(chat.ChargeId);
                    await reply.WriteAsync(text, http.RequestAborted);
                }

                await reply.DoneAsync(chat, result.Reply, http.RequestAborted);
            }
            else if (!await events.HasBegunAsync())
            {
                return new(Problem: ChatProblems.Of(result, http.Response));
            }
            else
            {
                await reply.ErrorAsync(ChatProblems.Of(result).ProblemDetails, http.RequestAborted);
            }
        }
        catch (ClientGoneException)
        {
            // Nobody hears the end. What is stored is in the history.
        }

        return new();
    }

    private static void Mark(bool isReplay, HttpResponse response)
    {
        if (isReplay && !response.HasStarted)
        {
            response.Headers[IdempotencyKey.ReplayedHeader] = "true";
        }
    }
}

/// <summary>A reply as a stream of events, with its end.</summary>
internal interface IReplyStream : IReplySink
{
    /// <summary>Gets whether any piece has been sent.</summary>
    bool HasWritten { get; }

    /// <summary>Ends the stream with a chat.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="reply">What the model said; null when the chat was stored before.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    Task DoneAsync(StoredChat chat, Reply? reply, CancellationToken cancellationToken);

    /// <summary>Ends the stream with what went wrong.</summary>
    /// <param name="problem">What went wrong.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    Task ErrorAsync(Microsoft.AspNetCore.Mvc.ProblemDetails problem, CancellationToken cancellationToken);
}

/// <summary>What is left to answer: a chat, a problem, or nothing when all was sent as events.</summary>
/// <param name="Chat">The chat.</param>
/// <param name="Reply">What the model said; null when the chat was stored before.</param>
/// <param name="Problem">Why there is no chat.</param>
internal sealed record Delivered(StoredChat? Chat = null, Reply? Reply = null, ProblemHttpResult? Problem = null);
