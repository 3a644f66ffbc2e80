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
    /// <summary>What has a reply to show.</summary>
    private static readonly ChatStatus[] Shown = [ChatStatus.Completed, ChatStatus.Imported];

    /// <summary>Maps what is under <c>/api/chat</c> besides sending.</summary>
    public static void MapHistory(this IEndpointRouteBuilder app)
    {
        var chats = app.MapGroup("/api/chat").WithTags("Chat").RequireAuthorization(Tokens.HistoryPolicy);
        chats.MapGet("/", List).WithSummary("List chats").Refuses(ChatProblems.TooManyPages());
        chats.MapGet("/export", Export).WithSummary("Export chats")
            .Produces(StatusCodes.Status200OK).Refuses(ChatProblems.TooManyExports())
            .Gives("application/jsonl", $"{ChatResponse.Example}\n");
        chats.MapGet("/{id:long}", Get).WithSummary("Get a chat");
        // An API key may read and spend. What it cannot give back, it may not take.
        chats.MapDelete("/", DeleteAll).WithSummary("Delete all chats")
            .RequireAuthorization(Tokens.LoginPolicy).ErasesWithTheLedger();
        chats.MapDelete("/{id:long}", Delete).WithSummary("Delete a chat").RequireAuthorization(Tokens.LoginPolicy);
    }

    /// <summary>The caller's chats, newest first.</summary>
    /// <remarks>A page ends before <c>limit</c> when its messages and replies have 1 MiB: follow its Link.</remarks>
    /// <param name="user">The caller.</param>
    /// <param name="db">Where they are.</param>
    /// <param name="limits">How many pages the caller may read at once.</param>
    /// <param name="response">Gets the link to the next page.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="before">The id of the last one of the page before.</param>
    /// <param name="conversation">Only those of this conversation.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Results<Ok<List<ChatResponse>>, ProblemHttpResult>> List(
        ClaimsPrincipal user,
        ChatDb db,
        ReadLimits limits,
        HttpResponse response,
        [Range(1, Pages.Max, ErrorMessage = "limit must be 1 to 100.")] int limit = 20,
        [Range(1, long.MaxValue, ErrorMessage = "before must be a chat's id.")] long before = long.MaxValue,
        Guid? conversation = null,
        CancellationToken cancellationToken = default)
    {
        var chats = db.ChatsOf(user)
            .Where(chat => chat.Id < before && (conversation == null || chat.ConversationId == conversation))
            .OrderByDescending(chat => chat.Id);
        var page = await ChatPage.ChooseAsync(chats, limit, cancellationToken);
        if (page.IsLarge)
        {
            var lease = limits.Page(user.GetUserId());
            response.RegisterForDispose(lease); // When the page is written, or its client has gone.
            if (!lease.IsAcquired)
            {
                response.Headers.RetryAfter = "1";
                return ChatProblems.TooManyPages();
            }
        }

        if (page.HasMore)
        {
            var of = conversation is null ? "" : $"&conversation={conversation}";
            response.LinkNext($"/api/chat?limit={limit}&before={page.Ids[^1]}{of}");
        }

        var read = await page.ReadAsync(chats, cancellationToken);
        return TypedResults.Ok(read.ConvertAll(chat => chat.ToResponse()));
    }

    /// <summary>One of the caller's chats, with its usage. Another user's is not there.</summary>
    internal static async Task<Results<Ok<ChatResponse>, NotFound>> Get(
        long id, ClaimsPrincipal user, ChatDb db, CancellationToken cancellationToken)
    {
        var chat = await db.ChatsOf(user).FirstOrDefaultAsync(chat => chat.Id == id, cancellationToken);
        return chat is null
            ? TypedResults.NotFound()
            : TypedResults.Ok(chat.ToResponse() with { Usage = ChatUsage.Of(chat) });
    }

    /// <summary>All of the caller's chats, oldest first, a line of JSON each (JSON Lines).</summary>
    internal static async Task<Results<EmptyHttpResult, ProblemHttpResult>> Export(
        ClaimsPrincipal user,
        ChatDb db,
        ReadLimits limits,
        HttpResponse response,
        CancellationToken cancellationToken)
    {
        using var lease = limits.Export(user.GetUserId());
        if (!lease.IsAcquired)
        {
            response.Headers.RetryAfter = "1";
            return ChatProblems.TooManyExports();
        }

        response.ContentType = "application/jsonl";
        response.Headers.ContentDisposition = "attachment; filename=\"chats.jsonl\"";
        for (var (last, hasMore) = (0L, true); hasMore;)
        {
            // Page by page: a client that reads slowly holds no connection to the database meanwhile.
            var chats = db.ChatsOf(user).Where(chat => chat.Id > last).OrderBy(chat => chat.Id);
            var page = await ChatPage.ChooseAsync(chats, Pages.Max, cancellationToken);
            foreach (var chat in await page.ReadAsync(chats, cancellationToken))
            {
                await JsonSerializer.SerializeAsync(
                    response.BodyWriter.AsStream(leaveOpen: true), chat.ToResponse(),
                    StreamingJson.Default.ChatResponse, cancellationToken);
                await response.WriteAsync("\n", cancellationToken);
            }

            (last, hasMore) = (page.HasMore ? page.Ids[^1] : last, page.HasMore);
        }

        return TypedResults.Empty;
    }

    /// <summary>
    /// Takes the words out of all of the caller's chats, and deletes the conversations. It stays paid for.
    /// </summary>
    internal static async Task<NoContent> DeleteAll(
        ClaimsPrincipal user, Erasure erasure, CancellationToken cancellationToken)
    {
        await erasure.EraseAsync(user.GetUserId(), conversation: null, cancellationToken);
        return TypedResults.NoContent();
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
