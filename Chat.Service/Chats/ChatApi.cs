using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>A user's chats.</summary>
internal static class ChatApi
{
    private const int MaxPage = 100;

    /// <summary>What has a reply to show.</summary>
    private static readonly ChatStatus[] Shown = [ChatStatus.Completed, ChatStatus.Imported];

    /// <summary>Maps <c>/api/chat</c>.</summary>
    public static void MapChats(this IEndpointRouteBuilder app)
    {
        var chats = app.MapGroup("/api/chat").WithTags("Chat").RequireAuthorization(Tokens.UserPolicy);
        chats.MapPost("/", Send);
        chats.MapGet("/", List);
        chats.MapGet("/{id:long}", Get);
    }

    /// <summary>Sends a message to the model and pays for the reply.</summary>
    private static async Task<Results<Created<ChatResponse>, ProblemHttpResult>> Send(
        ChatRequest request,
        [FromHeader(Name = IdempotencyKey.Header)] string? key,
        ClaimsPrincipal user,
        ChatStore store,
        PaidReply paidReply,
        IOptions<ChatSettings> options,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        if (key is not null && !IdempotencyKey.IsValid(key))
        {
            return IdempotencyKey.Invalid();
        }

        var userId = user.GetUserId();
        var charge = new ChatCharge(
            IdempotencyKey.ToTransferId(userId, "chat", key), userId, request.Message, options.Value.Cost);
        if (key is not null && await store.FindAsync(charge.Id, cancellationToken) is { } before)
        {
            return await ReplayAsync(before, charge, paidReply, response, cancellationToken);
        }

        var result = await paidReply.AnswerAsync(charge, cancellationToken);
        if (result.Status is ReplyStatus.InProgress
            && await store.FindAsync(charge.Id, cancellationToken) is { } meanwhile)
        {
            return await ReplayAsync(meanwhile, charge, paidReply, response, cancellationToken);
        }

        return result.Chat is { } chat ? Created(chat) : ChatProblems.Of(result, response);
    }

    /// <summary>The caller's chats, newest first; <c>before</c> is the id of the last one of the page before.</summary>
    private static async Task<Ok<List<ChatResponse>>> List(
        ClaimsPrincipal user,
        ChatDb db,
        HttpResponse response,
        [Range(1, MaxPage, ErrorMessage = "limit must be 1 to 100.")] int limit = 20,
        [Range(1, long.MaxValue, ErrorMessage = "before must be a chat's id.")] long before = long.MaxValue,
        CancellationToken cancellationToken = default)
    {
        var userId = user.GetUserId();
        var page = await db.Chats.AsNoTracking()
            .Where(chat => chat.UserId == userId && chat.Id < before && Shown.Contains(chat.Status))
            .OrderByDescending(chat => chat.Id)
            .Take(limit + 1)
            .ToListAsync(cancellationToken);
        if (page.Count > limit)
        {
            page.RemoveAt(limit);
            response.Headers.Link = $"</api/chat?limit={limit}&before={page[^1].Id}>; rel=\"next\"";
        }

        return TypedResults.Ok(page.ConvertAll(chat => chat.ToResponse()));
    }

    /// <summary>One of the caller's chats. Another user's is not there.</summary>
    private static async Task<Results<Ok<ChatResponse>, NotFound>> Get(
        long id, ClaimsPrincipal user, ChatDb db, CancellationToken cancellationToken)
    {
        var userId = user.GetUserId();
        var chat = await db.Chats.AsNoTracking().FirstOrDefaultAsync(
            chat => chat.Id == id && chat.UserId == userId && Shown.Contains(chat.Status), cancellationToken);
        return chat is null ? TypedResults.NotFound() : TypedResults.Ok(chat.ToResponse());
    }

    private static async Task<Results<Created<ChatResponse>, ProblemHttpResult>> ReplayAsync(
        StoredChat before,
        ChatCharge charge,
        PaidReply paidReply,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        if (before.Message != charge.Message)
        {
            return ChatProblems.Of(new PaidReplyResult(ReplyStatus.KeyReused), response);
        }

        if (before.Status is ChatStatus.Refunded)
        {
            // The refund may have been cut off behind the tombstone; asking again does no harm.
            var undone = await paidReply.UndoAsync(charge, ReplyStatus.Refunded, cancellationToken);
            return ChatProblems.Of(undone, response);
        }

        response.Headers[IdempotencyKey.ReplayedHeader] = "true";
        return Created(before);
    }

    private static Created<ChatResponse> Created(StoredChat chat) =>
        TypedResults.Created($"/api/chat/{chat.Id}", chat.ToResponse());
}

/// <summary>A message to the model. Public, because validation passes over internal types.</summary>
/// <param name="Message">1 to 32,768 bytes of UTF-8.</param>
public sealed record ChatRequest(
    [Required(ErrorMessage = "The message must not be empty."), ChatMessage] string Message);

/// <summary>A message and its reply.</summary>
/// <param name="Id">The chat's number.</param>
/// <param name="User">Whose it is.</param>
/// <param name="Message">What the user said.</param>
/// <param name="Response">What the model answered.</param>
/// <param name="Timestamp">When it was stored, in UTC.</param>
/// <param name="Cost">What was charged, in tokens.</param>
/// <param name="Tokens">The user's tokens right after the charge; null for a chat from another system.</param>
internal sealed record ChatResponse(
    long Id, long User, string Message, string Response, DateTime Timestamp, long Cost, long? Tokens);
