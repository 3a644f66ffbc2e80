using Chat.Service.Models;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>Answers requests whole, or as streams of events.</summary>
/// <param name="pipeline">Makes the replies.</param>
/// <param name="options">How long streams may be silent, and their clients.</param>
/// <param name="clock">The time.</param>
internal sealed class ChatRendering(ChatPipeline pipeline, IOptions<ChatSettings> options, TimeProvider clock)
{
    /// <summary>Answers a request.</summary>
    /// <param name="chat">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="toWhole">The answer in one piece.</param>
    /// <param name="toStream">How events look; null for an answer in one piece.</param>
    /// <param name="http">The request.</param>
    /// <typeparam name="TWhole">The answer in one piece.</typeparam>
    public async Task<Results<TWhole, EmptyHttpResult, ProblemHttpResult>> AnswerAsync<TWhole>(
        PendingChat chat,
        Prompt prompt,
        Func<StoredChat, TWhole> toWhole,
        Func<EventStream, IReplyStream>? toStream,
        HttpContext http)
        where TWhole : IResult
    {
        if (!chat.Key.MayUse(prompt.Model.Name))
        {
            return ChatProblems.ModelNotAllowed(prompt.Model.Name);
        }

        if (toStream is not null)
        {
            var problem = await StreamAsync(chat, prompt, toStream, http);
            return problem is null ? TypedResults.Empty : problem;
        }

        var result = await pipeline.RunAsync(chat, prompt, sink: null, http.RequestAborted);
        MarkReplay(result, http.Response);
        return result.Chat is { } stored ? toWhole(stored) : ChatProblems.Of(result, http.Response);
    }

    /// <returns>What went wrong before the first event; null when all was sent as events.</returns>
    private async Task<ProblemHttpResult?> StreamAsync(
        PendingChat chat, Prompt prompt, Func<EventStream, IReplyStream> toStream, HttpContext http)
    {
        await using var events = new EventStream(http, options, clock);
        var reply = toStream(events);
        var result = await pipeline.RunAsync(chat, prompt, reply, http.RequestAborted);
        try
        {
            if (result.Chat is { } stored)
            {
                MarkReplay(result, http.Response);
                if (!reply.HasWritten && stored.Response is { Length: > 0 } text) // It was stored before.
                {
                    reply.Began(stored.HoldId);
                    await reply.WriteAsync(text, http.RequestAborted);
                }

                await reply.DoneAsync(stored, http.RequestAborted);
            }
            else if (!await events.HasBegunAsync())
            {
                return ChatProblems.Of(result, http.Response);
            }
            else
            {
                await reply.ErrorAsync(ChatProblems.Of(result).ProblemDetails, http.RequestAborted);
            }
        }
        catch (Exception gone) when (gone is ClientGoneException or OperationCanceledException)
        {
            // Nobody hears the end. What is stored is in the history.
        }

        return null;
    }

    private static void MarkReplay(ChatResult result, HttpResponse response)
    {
        if (result.IsReplay && !response.HasStarted)
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
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    Task DoneAsync(StoredChat chat, CancellationToken cancellationToken);

    /// <summary>Ends the stream with what went wrong.</summary>
    /// <param name="problem">What went wrong.</param>
    /// <param name="cancellationToken">Ends the wait for the client.</param>
    Task ErrorAsync(Microsoft.AspNetCore.Mvc.ProblemDetails problem, CancellationToken cancellationToken);
}
