using System.Runtime.CompilerServices;
using Chat.Service.Chats;
using Chat.Service.Ledger;
using Microsoft.EntityFrameworkCore;

namespace Chat.Service.Reconciliation;

/// <summary>A stored chat for which the ledger had neither a hold nor a transfer.</summary>
/// <param name="Chat">The chat, without its words.</param>
/// <param name="Charge">What became of the charge, if that was asked for.</param>
internal sealed record UnpaidChat(StoredChat Chat, HoldOutcome? Charge)
{
    /// <summary>Gets whether nobody has paid for it still.</summary>
    public bool IsLeft => Charge is not HoldOutcome.Captured;
}

/// <summary>
/// Finds the stored chats that nobody has paid for, and charges them where that is asked for. All of it may be done
/// again, and by several at once: a chat is paid for under its own id, once.
/// </summary>
/// <param name="db">The chats.</param>
/// <param name="ledger">What was paid.</param>
internal sealed class Reconciler(ChatDb db, LedgerClient ledger)
{
    private const int PageSize = 1_000;

    /// <summary>Looks through the chats of all users, in pages.</summary>
    /// <param name="since">Those that were stored then or later.</param>
    /// <param name="charges">Whether to charge them.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="HttpRequestException">The ledger does not answer.</exception>
    public async IAsyncEnumerable<UnpaidChat> FindAsync(
        DateTimeOffset since, bool charges, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var (user, last, hasMore) = (0L, 0L, true); hasMore;)
        {
            var page = await db.Chats.AsNoTracking()
                .Where(chat => chat.Cost > 0 && chat.CreatedAt >= since && EF.Functions.GreaterThan(
                    ValueTuple.Create(chat.UserId, chat.Id), ValueTuple.Create(user, last)))
                .OrderBy(chat => chat.UserId).ThenBy(chat => chat.Id)
                .Take(PageSize)
                .Select(chat => new StoredChat
                {
                    UserId = chat.UserId,
                    Id = chat.Id,
                    HoldId = chat.HoldId,
                    Cost = chat.Cost,
                    RequestHash = chat.RequestHash,
                    CreatedAt = chat.CreatedAt,
                    Message = "",
                })
                .ToListAsync(cancellationToken);
            // A capture that finds its transfer changes nothing, and one that finds a hold is what the sweep would do.
            var isPaid = await Task.WhenAll(page.Select(ledger.CaptureAsync));
            foreach (var (chat, _) in page.Zip(isPaid).Where(each => !each.Second))
            {
                yield return new(chat, charges ? await ledger.ChargeAsync(chat) : null);
            }

            hasMore = page.Count == PageSize;
            (user, last) = hasMore ? (page[^1].UserId, page[^1].Id) : (user, last);
        }
    }
}
