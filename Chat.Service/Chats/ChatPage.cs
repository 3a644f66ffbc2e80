using Microsoft.EntityFrameworkCore;

namespace Chat.Service.Chats;

/// <summary>Which chats a page has. A page is held in memory, so it has a limit of bytes.</summary>
/// <param name="Ids">The chats, in the page's order.</param>
/// <param name="Bytes">The UTF-8 of their messages and replies.</param>
/// <param name="HasMore">Whether there is a next page.</param>
internal sealed record ChatPage(IReadOnlyList<long> Ids, long Bytes, bool HasMore)
{
    /// <summary>The most text of a page, in bytes of UTF-8. A single chat may have more.</summary>
    public const int MaxBytes = 1024 * 1024;

    /// <summary>What Kestrel buffers of an answer. A page with less text does not wait for its client.</summary>
    private const int BufferedBytes = 64 * 1024;

    /// <summary>Gets whether the page is held in memory until its client has read it.</summary>
    public bool IsLarge => Bytes > BufferedBytes;

    /// <summary>Chooses the first chats: as many as fit, and one at least.</summary>
    /// <param name="chats">The chats that are left, in order.</param>
    /// <param name="limit">The most chats of a page.</param>
    /// <param name="cancellationToken">Ends the query.</param>
    public static async Task<ChatPage> ChooseAsync(
        IQueryable<StoredChat> chats, int limit, CancellationToken cancellationToken)
    {
        var sizes = await chats.Take(limit + 1)
            .Select(chat => new
            {
                chat.Id,
                Bytes = (long)ChatDb.OctetLength(chat.Message) + ChatDb.OctetLength(chat.Response!),
            })
            .ToListAsync(cancellationToken);
        var (count, bytes) = (0, 0L);
        while (count < Math.Min(limit, sizes.Count) && (count == 0 || bytes + sizes[count].Bytes <= MaxBytes))
        {
            bytes += sizes[count++].Bytes;
        }

        return new([.. sizes.Take(count).Select(chat => chat.Id)], bytes, count < sizes.Count);
    }

    /// <summary>Reads the page. A chat that was deleted meanwhile is left out.</summary>
    /// <param name="chats">What the page was chosen from.</param>
    /// <param name="cancellationToken">Ends the query.</param>
    public Task<List<StoredChat>> ReadAsync(IQueryable<StoredChat> chats, CancellationToken cancellationToken) =>
        chats.Where(chat => Ids.Contains(chat.Id)).ToListAsync(cancellationToken);
}
