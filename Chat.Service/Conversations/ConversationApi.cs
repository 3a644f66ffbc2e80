using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Security.Claims;
using Chat.Service.Chats;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Chat.Service.Conversations;

/// <summary>A user's conversations.</summary>
internal static class ConversationApi
{
    /// <summary>Maps <c>/api/conversations</c>.</summary>
    public static void MapConversations(this IEndpointRouteBuilder app)
    {
        var conversations = app.MapGroup("/api/conversations")
            .WithTags("Conversations").RequireAuthorization(Tokens.HistoryPolicy);
        conversations.MapGet("/", List).WithSummary("List conversations").Refuses(InvalidPage());
        conversations.MapPatch("/{id:guid}", Rename).WithSummary("Rename a conversation")
            .RequireAuthorization(Tokens.LoginPolicy);
        conversations.MapDelete("/{id:guid}", Delete).WithSummary("Delete a conversation")
            .RequireAuthorization(Tokens.LoginPolicy).ErasesWithTheLedger();
    }

    /// <summary>The caller's conversations, the one with the latest chat first.</summary>
    /// <param name="user">The caller.</param>
    /// <param name="db">Where they are.</param>
    /// <param name="response">Gets the link to the next page.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="before">Where the page before ended, as its Link says.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    internal static async Task<Results<Ok<List<ConversationResponse>>, ProblemHttpResult>> List(
        ClaimsPrincipal user,
        ChatDb db,
        HttpResponse response,
        [Range(1, Pages.Max, ErrorMessage = "limit must be 1 to 100.")] int limit = 20,
        string? before = null,
        CancellationToken cancellationToken = default)
    {
        var userId = user.GetUserId();
        var all = db.Conversations.AsNoTracking().Where(conversation => conversation.UserId == userId);
        if (before is not null)
        {
            if (!PageEnd.TryParse(before, out var end))
            {
                return InvalidPage();
            }

            all = all.Where(conversation => conversation.UpdatedAt < end.UpdatedAt
                || (conversation.UpdatedAt == end.UpdatedAt && conversation.Id.CompareTo(end.Id) < 0));
        }

        var page = await all.OrderByDescending(conversation => conversation.UpdatedAt)
            .ThenByDescending(conversation => conversation.Id)
            .Take(limit + 1)
            .ToListAsync(cancellationToken);
        if (page.CutTo(limit))
        {
            var end = new PageEnd(page[^1].UpdatedAt, page[^1].Id);
            response.LinkNext($"/api/conversations?limit={limit}&before={end}");
        }

        return TypedResults.Ok(page.ConvertAll(conversation => conversation.ToResponse()));
    }

    /// <summary>Gives a conversation another title.</summary>
    internal static async Task<Results<NoContent, NotFound>> Rename(
        Guid id, RenameRequest request, ClaimsPrincipal user, ChatDb db, CancellationToken cancellationToken)
    {
        var userId = user.GetUserId();
        var renamed = await db.Conversations
            .Where(conversation => conversation.UserId == userId && conversation.Id == id)
            .ExecuteUpdateAsync(
                set => set.SetProperty(conversation => conversation.Title, request.Title), cancellationToken);
        return renamed == 0 ? TypedResults.NotFound() : TypedResults.NoContent();
    }

    /// <summary>Deletes a conversation with its chats.</summary>
    /// <remarks>Chats of it that are being answered are never stored, and cost nothing.</remarks>
    internal static async Task<Results<NoContent, NotFound>> Delete(
        Guid id, ClaimsPrincipal user, ChatDb db, Erasure erasure, CancellationToken cancellationToken)
    {
        var userId = user.GetUserId();
        var isThere = await db.Conversations.AnyAsync(
            conversation => conversation.UserId == userId && conversation.Id == id, cancellationToken);
        // Also of one that is not there yet: its first chat may be under way.
        await erasure.EraseAsync(userId, id, cancellationToken);
        return isThere ? TypedResults.NoContent() : TypedResults.NotFound();
    }

    private static ProblemHttpResult InvalidPage() => Problems.Refusal(
        StatusCodes.Status400BadRequest, "invalid_page", "before must be what a page's Link says.");
}

/// <summary>A conversation's new title.</summary>
/// <remarks>Public, because validation passes over internal types.</remarks>
/// <param name="Title">1 to 200 characters.</param>
/// <example>{"title":"Greetings"}</example>
public sealed record RenameRequest(
    [Required(ErrorMessage = "Send a 'title'.")]
    [StringLength(Conversation.MaxTitleLength, ErrorMessage = "A title has at most 200 characters.")]
    [RegularExpression("[^\0]*", ErrorMessage = "A title must not hold a NUL character.")]
    string Title);

/// <summary>
/// Where a page ends: conversations move up when they get a chat, so that a name alone would lead astray.
/// </summary>
/// <param name="UpdatedAt">When the page's last conversation had its latest chat.</param>
/// <param name="Id">Its name.</param>
internal readonly record struct PageEnd(DateTimeOffset UpdatedAt, Guid Id)
{
    /// <summary>Reads what <see cref="ToString"/> has written.</summary>
    /// <param name="text">The text.</param>
    /// <param name="end">What it says.</param>
    /// <returns>Whether it says anything.</returns>
    public static bool TryParse(string text, out PageEnd end)
    {
        var parts = text.Split('_');
        var isEnd = long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            & Guid.TryParse(parts[^1], out var id) & parts.Length == 2 & ticks <= DateTime.MaxValue.Ticks;
        end = isEnd ? new(new(ticks, TimeSpan.Zero), id) : default;
        return isEnd;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{UpdatedAt.UtcTicks}_{Id}");
}
