using Chat.Service.Charges;
using Chat.Service.Models;

namespace Chat.Service.Chats;

/// <summary>Answers requests, and repeats the answer to one that was answered before under the same name.</summary>
/// <param name="store">What was answered before.</param>
/// <param name="paidReply">Answers what was not.</param>
internal sealed class ChatAnswers(ChatStore store, PaidReply paidReply)
{
    /// <summary>Answers a request.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="isRepeatable">Whether the caller named it, so that it may have been sent before.</param>
    /// <param name="sink">Takes the reply in pieces while it is made; null when only the whole is of use.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    /// <returns>What became of it, and whether that is an earlier outcome.</returns>
    public async Task<(PaidReplyResult Result, bool IsReplay)> GetAsync(
        ChatCharge charge, Prompt prompt, bool isRepeatable, IReplySink? sink, CancellationToken cancellationToken)
    {
        if (isRepeatable && await store.FindAsync(charge.Id, cancellationToken) is { } before)
        {
            return (await RepeatAsync(before, charge, cancellationToken), true);
        }

        var result = await paidReply.AnswerAsync(charge, prompt, sink, cancellationToken);
        return result.Status is ReplyStatus.InProgress
            && await store.FindAsync(charge.Id, cancellationToken) is { } meanwhile
            ? (await RepeatAsync(meanwhile, charge, cancellationToken), true)
            : (result, false);
    }

    private async Task<PaidReplyResult> RepeatAsync(
        StoredChat before, ChatCharge charge, CancellationToken cancellationToken)
    {
        if (before.DiffersFrom(charge))
        {
            return new(ReplyStatus.KeyReused);
        }

        // The refund may have been cut off behind the tombstone; asking again does no harm.
        return before.Status is ChatStatus.Refunded
            ? await paidReply.UndoAsync(charge, ReplyStatus.Refunded, cancellationToken)
            : new(ReplyStatus.Stored, before);
    }
}
