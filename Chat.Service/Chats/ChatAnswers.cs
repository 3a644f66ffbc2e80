using Chat.Service.Charges;
using Chat.Service.Models;

namespace Chat.Service.Chats;

/// <summary>
/// Answers requests, and repeats the answer to one that was answered before under the same name. A name that was used
/// by requests that all failed and were given back is as good as new: it pays for one reply, and never for two.
/// </summary>
/// <param name="store">What was answered before.</param>
/// <param name="paidReply">Answers what was not.</param>
internal sealed class ChatAnswers(ChatStore store, PaidReply paidReply)
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
            return (await paidReply.AnswerAsync(charge, prompt, sink, cancellationToken), false);
        }

        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await FindAsync(charge, cancellationToken) is { } before)
            {
                if (before.Status is not ReplyStatus.Refunded)
                {
                    return (before, true);
                }
            }
            else
            {
                var result = await paidReply.AnswerAsync(charge, prompt, sink, cancellationToken);
                if (result.Status is ReplyStatus.InProgress)
                {
                    // It may have ended in this moment.
                    return await FindAsync(charge, cancellationToken) is { } meanwhile
                        ? (meanwhile, true)
                        : (result, false);
                }

                if (result.Status is not ReplyStatus.Refunded)
                {
                    return (result, false);
                }
            }

            charge = charge.Again();
        }

        return (new(ReplyStatus.Refunded), false);
    }

    /// <summary>What became of a charge; null when nothing has yet.</summary>
    private async Task<PaidReplyResult?> FindAsync(ChatCharge charge, CancellationToken cancellationToken) =>
        await store.FindAsync(charge.Id, cancellationToken) switch
        {
            null => null,
            { } other when other.DiffersFrom(charge) => new(ReplyStatus.KeyReused),
            { Status: ChatStatus.Refunded } => await FinishUndoAsync(charge, cancellationToken),
            { } chat => new(ReplyStatus.Stored, chat),
        };

    /// <summary>The refund may have been cut off behind the tombstone. Asking for it again does no harm.</summary>
    private async Task<PaidReplyResult> FinishUndoAsync(ChatCharge charge, CancellationToken cancellationToken)
    {
        var undone = await paidReply.UndoAsync(charge with { Origin = null }, ReplyStatus.Refunded, cancellationToken);
        return undone.IsSettled ? undone : undone with { Status = ReplyStatus.LedgerUnavailable };
    }
}
