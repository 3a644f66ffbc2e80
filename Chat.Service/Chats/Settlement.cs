using Chat.Service.Ledger;

namespace Chat.Service.Chats;

/// <summary>
/// Ends holds: by a capture where a chat is stored, by a release where there is none. What cannot be ended now is left
/// to the sweep of <see cref="HoldKeeper"/>.
/// </summary>
/// <param name="store">The rows.</param>
/// <param name="ledger">The holds.</param>
/// <param name="metrics">Counts.</param>
/// <param name="logger">Says what is left to the sweep.</param>
internal sealed class Settlement(
    ChatStore store, LedgerClient ledger, ChatMetrics metrics, ILogger<Settlement> logger)
{
    /// <summary>How long an answer waits for its capture, where that gives credits back.</summary>
    public static readonly TimeSpan CaptureTimeout = TimeSpan.FromSeconds(1);

    /// <summary>How long an answer waits until its hold is ended.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>Takes what a stored chat has cost.</summary>
    /// <param name="chat">The chat.</param>
    public Task CaptureAsync(StoredChat chat) =>
        TryAsync(chat.UserId, chat.HoldId, () => TakeAsync(chat));

    /// <summary>Ends the hold of a chat of which nothing was sent to the store.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="why">Why there is no reply.</param>
    public async Task<ChatResult> ReleaseAsync(PendingChat chat, ReplyStatus why)
    {
        var isReleased = false;
        await TryAsync(chat.UserId, chat.Id, async () => isReleased = await ledger.ReleaseAsync(chat.ToHold()));
        return new(why, IsSettled: isReleased);
    }

    /// <summary>Ends the hold of a chat of which it is not known whether it is stored.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="why">Why there is no chat, if there is none.</param>
    public async Task<ChatResult> SettleAsync(PendingChat chat, ReplyStatus why)
    {
        using var patience = new CancellationTokenSource(Timeout);
        StoredChat? row = null;
        var isSettled = await TryAsync(
            chat.UserId, chat.Id, async () => row = await SettleAsync(chat.ToHold(), patience.Token));
        return isSettled && row!.Status is ChatStatus.Completed
            ? new(ReplyStatus.Stored, row)
            : new(why, IsSettled: isSettled && row!.Status is ChatStatus.Tombstone);
    }

    /// <summary>
    /// Ends a hold by what its row says. One is written where there is none, so that nothing is stored later: behind a
    /// tombstone the hold is released, any other row is captured. May be done twice, and by several at once.
    /// </summary>
    /// <param name="hold">The hold.</param>
    /// <param name="cancellationToken">Ends the wait for the row.</param>
    /// <returns>The chat that is stored, or the tombstone.</returns>
    /// <exception cref="HttpRequestException">The ledger does not answer. The row stands.</exception>
    /// <exception cref="Npgsql.NpgsqlException">Nothing is known, and nothing done.</exception>
    public async Task<StoredChat> SettleAsync(OpenHold hold, CancellationToken cancellationToken)
    {
        var row = await store.AddTombstoneAsync(hold, cancellationToken);
        await (row.Status is ChatStatus.Tombstone ? ledger.ReleaseAsync(hold) : TakeAsync(row));
        return row;
    }

    /// <summary>Ends the open holds of a user who deletes what they are for.</summary>
    /// <param name="userId">The user.</param>
    /// <param name="conversation">Only those of this conversation; all when null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task SettleAllAsync(long userId, Guid? conversation, CancellationToken cancellationToken)
    {
        var holds = ledger.OpenAsync(userId, TimeSpan.Zero, cancellationToken)
            .Where(hold => conversation is null || hold.Conversation == conversation);
        await Parallel.ForEachAsync(
            holds, cancellationToken, async (hold, cancelled) => await SettleAsync(hold, cancelled));
    }

    private async Task TakeAsync(StoredChat chat)
    {
        if (!await ledger.CaptureAsync(chat))
        {
            metrics.Unpaid();
            logger.LogCritical(
                "Chat {Hold} of {User} is stored and not paid for: the ledger does not know its hold. See `reconcile`",
                chat.HoldId, chat.UserId);
        }
    }

    private async Task<bool> TryAsync(long userId, Guid hold, Func<Task> end)
    {
        try
        {
            await end().WaitAsync(Timeout); // It goes on; only the answer waits no longer.
            return true;
        }
        catch (Exception failed)
        {
            logger.LogError(failed, "Hold {Hold} of {User} is left to the sweep", hold, userId);
            return false;
        }
    }
}
