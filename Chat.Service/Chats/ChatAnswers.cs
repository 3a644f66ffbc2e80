using Chat.Service.Charges;
using Chat.Service.Ledger;
using Chat.Service.Models;

namespace Chat.Service.Chats;

/// <summary>
/// Answers requests, and repeats the answer to one that was answered before under the same name. A name that was used
/// by requests that all failed and were given back is as good as new: it pays for one reply, and never for two.
/// </summary>
/// <param name="store">What was answered before.</param>
/// <param name="paidReply">Answers what was not.</param>
/// <param name="ledger">What was charged before.</param>
internal sealed class ChatAnswers(ChatStore store, PaidReply paidReply, LedgerClient ledger)
{
    /// <summary>How often one name may be tried.</summary>
    private const int MaxAttempts = 10;

    /// <summary>Answers a request.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="sink">Takes the reply in pieces while it is made; null when only the whole is of use.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    /// <returns>What became of it, and whether that is an earlier outcome.</returns>
    public async Task<(PaidReplyResult Result, bool IsReplay)> GetAsync(
        ChatCharge charge, Prompt prompt, IReplySink? sink, CancellationToken cancellationToken)
    {
        if (!charge.IsRepeatable)
        {
            var once = await paidReply.AnswerAsync(charge, prompt, sink, cancellationToken);
            // A new name that is given back already: this replica was taken for dead meanwhile.
            return (once.Status is ReplyStatus.Refunded ? once with { Status = ReplyStatus.TooLate } : once, false);
        }

        IReadOnlyList<ChatCharge> attempts = [charge];
        // More often than there are attempts: a duplicate may come before this request at each of them.
        for (var round = 0; round < 2 * MaxAttempts; round++)
        {
            var found = await store.FindAsync([.. attempts.Select(attempt => attempt.Id)], cancellationToken);
            if (attempts.Count == 1 && found.ContainsKey(charge.Id))
            {
                attempts = charge.Attempts(MaxAttempts);
                continue;
            }

            if (attempts.LastOrDefault(attempt => found.ContainsKey(attempt.Id)) is { } last
                && await BeforeAsync(last, found[last.Id], cancellationToken) is { } before)
            {
                return (before, true);
            }

            if (attempts.FirstOrDefault(attempt => !found.ContainsKey(attempt.Id)) is not { } next)
            {
                break;
            }

            var result = await paidReply.AnswerAsync(next, prompt, sink, cancellationToken);
            if (result.Status is not (ReplyStatus.InProgress or ReplyStatus.Refunded))
            {
                return (result, false);
            }

            // It may have ended in this moment. If it was given back and has no tombstone yet, that is being set.
            if (await store.FindAsync(next.Id, cancellationToken) is null)
            {
                return (new(ReplyStatus.InProgress), false);
            }
        }

        return (new(ReplyStatus.Refunded), false);
    }

    /// <summary>What became of a name's last attempt.</summary>
    /// <returns>Null when it was given back, so that another one may be made.</returns>
    private async Task<PaidReplyResult?> BeforeAsync(
        ChatCharge charge, StoredChat before, CancellationToken cancellationToken)
    {
        if (before.DiffersFrom(charge))
        {
            return new(ReplyStatus.KeyReused);
        }

        if (before.Status is not ChatStatus.Refunded)
        {
            return new(ReplyStatus.Stored, before);
        }

        // The refund may have been cut off behind the tombstone. Asking for it again does no harm.
        var undone = await paidReply.UndoAsync(charge with { Origin = null }, ReplyStatus.Refunded, cancellationToken);
        if (!undone.IsSettled)
        {
            return undone with { Status = ReplyStatus.LedgerUnavailable };
        }

        return before.Fingerprint is null ? await CompareAsync(charge, cancellationToken) : null;
    }

    /// <summary>
    /// Who looked after a dead replica did not know what a charge was for. The ledger does, and does not make it again.
    /// </summary>
    private async Task<PaidReplyResult?> CompareAsync(ChatCharge charge, CancellationToken cancellationToken)
    {
        try
        {
            var charged = await ledger.ChargeAsync(charge, cancellationToken);
            return charged.Status is ChargeStatus.ExistsWithDifferentContent ? new(ReplyStatus.KeyReused) : null;
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            return new(ReplyStatus.LedgerUnavailable);
        }
    }
}
