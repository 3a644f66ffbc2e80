using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using System.Text.Json;
using Chat.Service.Streaming;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Chat.Service.Chats;

/// <summary>A user's chats of before.</summary>
internal static class HistoryApi
{
    /// <summary>Few, since replies may be long and a page is held in memory.</summary>
    private const int ExportPage = 20;

    /// <summary>What has a reply to show.</summary>
    private static readonly ChatStatus[] Shown = [ChatStatus.Completed, ChatStatus.Imported];

    /// <summary>Maps what is under <c>/api/chat</c> besides sending.</summary>
    public static void MapHistory(this IEndpointRouteBuilder app)
    {
        var chats = app.MapGroup("/api/chat").WithTags("Chat").RequireAuthorization(Tokens.UserPolicy);
        chats.MapGet("/", List);
        chats.MapGet("/export", Export).Gives("application/jsonl", $"{ChatResponse.Example}\n");
        chats.MapGet("/{id:long}", Get);
        // An API key may read and spend. What it cannot give back, it may not take.
        chats.MapDelete("/", DeleteAll).RequireAuthorization(Tokens.LoginPolicy).Refuses(ChatProblems.CannotDelete());
        chats.MapDelete("/{id:long}", Delete).RequireAuthorization(Tokens.LoginPolicy);
    }

    /// <summary>The caller's chats, newest first.</summary>
    /// <param name="user">The caller.</param>
    /// <param name="db">Where they are.</param>
    /// <param name="response">Gets the link to the next page.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="before">The id of the last one of the page before.</param>
    /// <param name="conversation">Only those of this conversation.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Ok<List<ChatResponse>>> List(
        ClaimsPrincipal user,
        ChatDb db,
        HttpResponse response,
        [Range(1, Pages.Max, ErrorMessage = "limit must be 1 to 100.")] int limit = 20,
        [Range(1, long.MaxValue, ErrorMessage = "before must be a chat's id.")] long before = long.MaxValue,
        Guid? conversation = null,
        CancellationToken cancellationToken = default)
    {
        var page = await db.ChatsOf(user)
            .Where(chat => chat.Id < before && (conversation == null || chat.ConversationId == conversation))
            .OrderByDescending(chat => chat.Id)
            .Take(limit + 1)
            .ToListAsync(cancellationToken);
        if (page.CutTo(limit))
        {
            var of = conversation is null ? "" : $"&conversation={conversation}";
            response.LinkNext($"/api/chat?limit={limit}&before={page[^1].Id}{of}");
        }

        return TypedResults.Ok(page.ConvertAll(chat => chat.ToResponse()));
    }

    /// <summary>One of the caller's chats. Another user's is not there.</summary>
    internal static async Task<Results<Ok<ChatResponse>, NotFound>> Get(
        long id, ClaimsPrincipal user, ChatDb db, CancellationToken cancellationToken)
    {
        var chat = await db.ChatsOf(user).FirstOrDefaultAsync(chat => chat.Id == id, cancellationToken);
        return chat is null ? TypedResults.NotFound() : TypedResults.Ok(chat.ToResponse());
    }

    /// <summary>All of the caller's chats, oldest first, a line of JSON each (JSON Lines).</summary>
    internal static async Task Export(
        ClaimsPrincipal user, ChatDb db, HttpResponse response, CancellationToken cancellationToken)
    {
        response.ContentType = "application/jsonl";
        response.Headers.ContentDisposition = "attachment; filename=\"chats.jsonl\"";
        var last = 0L;
        while (true)
        {
            // Page by page: a client that reads slowly holds no connection to the database meanwhile.
            var page = await db.ChatsOf(user).Where(chat => chat.Id > last).OrderBy(chat => chat.Id)
                .Take(ExportPage).ToListAsync(cancellationToken);
            foreach (var chat in page)
            {
                await JsonSerializer.SerializeAsync(
                    response.BodyWriter.AsStream(leaveOpen: true), chat.ToResponse(),
                    StreamingJson.Default.ChatResponse, cancellationToken);
                await response.WriteAsync("\n", cancellationToken);
            }

            if (page.Count < ExportPage)
            {
                return;
            }

            last = page[^1].Id;
        }
    }

    /// <summary>
    /// Takes the words out of all of the caller's chats, and deletes the conversations. It stays paid for.
    /// </summary>
    internal static async Task<Results<NoContent, ProblemHttpResult>> DeleteAll(
        ClaimsPrincipal user, Erasure erasure, HttpResponse response, CancellationToken cancellationToken)
    {
        try
        {
            await erasure.EraseAsync(user.GetUserId(), conversation: null, cancellationToken);
            return TypedResults.NoContent();
        }
        catch (HttpRequestException)
        {
            response.Headers.RetryAfter = "1";
            return ChatProblems.CannotDelete();
        }
    }

    /// <summary>Takes the words out of one of the caller's chats. It stays paid for.</summary>
    internal static async Task<Results<NoContent, NotFound>> Delete(
        long id, ClaimsPrincipal user, ChatDb db, CancellationToken cancellationToken)
    {
        var userId = user.GetUserId();
        var erased = await Erasure.EraseAsync(
            db.Chats.Where(chat => chat.UserId == userId && chat.Id == id && Shown.Contains(chat.Status)),
            cancellationToken);
        return erased == 0 ? TypedResults.NotFound() : TypedResults.NoContent();
    }

    private static IQueryable<StoredChat> ChatsOf(this ChatDb db, ClaimsPrincipal user)
    {
        var userId = user.GetUserId();
        return db.Chats.AsNoTracking().Where(chat => chat.UserId == userId && Shown.Contains(chat.Status));
    }
}
