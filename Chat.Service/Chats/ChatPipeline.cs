using System.Diagnostics;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// The path of every chat: hold, ask, store, answer, capture. What can be spent is held before the model is asked, a
/// reply is stored before it is paid for, and whatever fails before that is released. See docs/charging.md.
/// </summary>
internal sealed partial class ChatPipeline(
    LedgerClient ledger,
    ChatStore store,
    Settlement settlement,
    RunningChats running,
    ChatMetrics metrics,
    IOptions<ChatSettings> options,
    ILogger<ChatPipeline> logger)
{
    /// <summary>How long a chat waits for the ledger, others before it in the queue included.</summary>
    private static readonly TimeSpan HoldTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Answers a message.</summary>
    /// <param name="chat">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="sink">Takes the reply in pieces while it is made; null when only the whole is of use.</param>
    /// <param name="caller">The caller has left, who pays nothing; or for what was made, at a price by tokens.</param>
    /// <returns>The stored chat, or why there is none. Nothing is thrown.</returns>
    public async Task<ChatResult> RunAsync(
        PendingChat chat, Prompt prompt, IReplySink? sink, CancellationToken caller)
    {
        var result = new ChatResult(ReplyStatus.StoreUnavailable, IsSettled: !chat.IsRepeatable);
        try
        {
            return result = await FindEarlierAsync(chat) is var (attempt, earlier) && earlier is not null
                ? earlier
                : await AnswerAsync(chat with { Id = attempt }, await prompt.RecallAsync(caller), sink, caller);
        }
        catch (Exception failed)
        {
            logger.LogWarning(failed, "What comes before chat {Chat} could not be read", chat.Id);
            return result;
        }
        finally
        {
            metrics.Answered(result.Status.ToString(), prompt.Model.Name);
            // Of what went well, as many as there are traces: lines of all would cost a tenth of the rate.
            if (result.Chat is null || result.IsReplay || Activity.Current is null or { Recorded: true })
            {
                LogAnswered(result.Status, chat.Id, chat.UserId, prompt.Model.Name);
            }
        }
    }

    private async Task<ChatResult> AnswerAsync(
        PendingChat chat, Prompt prompt, IReplySink? sink, CancellationToken caller)
    {
        if (running.IsDraining)
        {
            return new(ReplyStatus.Draining, IsSettled: !chat.IsRepeatable, IsUntouched: true);
        }

        if (running.IsFull(chat.UserId))
        {
            return new(ReplyStatus.TooManyChats, IsSettled: !chat.IsRepeatable);
        }

        chat = chat with { Most = prompt.MostCredits() };
        HoldResult hold;
        try
        {
            hold = await ledger.HoldAsync(chat, caller).WaitAsync(HoldTimeout, CancellationToken.None);
        }
        catch (OperationCanceledException)
        {
            return new(ReplyStatus.CallerLeft);
        }
        catch (Exception failed)
        {
            logger.LogWarning(failed, "The ledger did not answer for hold {Hold}", chat.Id);
            return await settlement.ReleaseAsync(chat, ReplyStatus.LedgerUnavailable); // It may be held all the same.
        }

        if (hold.Outcome is not HoldOutcome.Held)
        {
            return hold.Outcome switch
            {
                // A request with the same key has come to its end in this moment.
                HoldOutcome.Captured => (await FindEarlierAsync(chat)).Earlier ?? new(ReplyStatus.InProgress),
                // An earlier attempt of the same call may have held.
                HoldOutcome.Failed => await settlement.ReleaseAsync(chat, ReplyStatus.LedgerUnavailable),
                _ => ChatResult.Refused(hold),
            };
        }

        using var run = running.TryBegin(chat, prompt.Model.Timeout, caller);
        if (run is null)
        {
            return await settlement.ReleaseAsync(chat, ReplyStatus.TooManyChats);
        }

        var draft = new ReplyDraft(prompt);
        Reply reply;
        try
        {
            sink?.Began(chat.Id);
            reply = await draft.AskAsync(sink, options.Value.MaxReplyLength, run.End);
            if (prompt.Model.Price.IsFlat)
            {
                caller.ThrowIfCancellationRequested();
            }
        }
        catch (Exception failed)
        {
            var why = WhyFailed(failed, run);
            // Who reads so slowly that the time runs out has left, too.
            var hasLeft = why is ReplyStatus.CallerLeft || (why is ReplyStatus.ModelTimedOut && draft.IsAtReader);
            if (!hasLeft || prompt.Model.Price.IsFlat || !draft.HasBegun)
            {
                logger.LogWarning(failed, "No reply for chat {Chat}", chat.Id);
                return await settlement.ReleaseAsync(chat, why);
            }

            reply = draft.Cancel();
        }

        var answered = new AnsweredChat(chat, prompt.Model, reply, hold);
        StoredChat? stored;
        try
        {
            // From here on there is a reply, whoever is still there to hear it.
            stored = await store.AddAsync(answered);
        }
        catch (Exception failed)
        {
            logger.LogError(failed, "It is not known whether chat {Chat} is stored", chat.Id);
            return await settlement.SettleAsync(chat, ReplyStatus.StoreUnavailable); // Not in the metrics, if it is.
        }

        if (stored is null)
        {
            return await settlement.SettleAsync(chat, ReplyStatus.TooLate);
        }

        metrics.Used(answered);
        var capture = settlement.CaptureAsync(stored);
        running.WaitFor(capture);
        if (answered.Cost < hold.Amount)
        {
            // Who reads the answer may spend the rest. A flat price's hold is as good as its charge.
            await Task.WhenAny(capture, Task.Delay(Settlement.CaptureTimeout, CancellationToken.None));
        }

        return new(ReplyStatus.Stored, stored);
    }

    /// <summary>What became of earlier requests with the same key.</summary>
    /// <returns>The id of the attempt that can be made now, and the outcome that stands in its way, if any.</returns>
    private async Task<(Guid Attempt, ChatResult? Earlier)> FindEarlierAsync(PendingChat chat)
    {
        if (!chat.IsRepeatable)
        {
            return (chat.Id, null);
        }

        foreach (var id in chat.AttemptIds())
        {
            var rows = await store.FindAsync(chat.UserId, [id], CancellationToken.None);
            if (rows.GetValueOrDefault(id) is not { } row)
            {
                return (id, null);
            }

            if (!row.IsOf(chat))
            {
                return (id, new(ReplyStatus.KeyReused));
            }

            if (row.Status is not ChatStatus.Tombstone)
            {
                return (id, new(ReplyStatus.Stored, row, IsReplay: true));
            }
        }

        return (chat.Id, new(ReplyStatus.TooManyAttempts));
    }

    private static ReplyStatus WhyFailed(Exception failed, RunningChats.RunningChat run) => failed switch
    {
        OperationCanceledException => run.WhyEnded, // Also of a model's client that has given up by itself.
        TimeoutException => ReplyStatus.ModelTimedOut,
        Streaming.ClientGoneException => ReplyStatus.CallerLeft,
        _ => ReplyStatus.ModelFailed,
    };

    /// <summary>A line for a message, which appsettings.json keeps from the console.</summary>
    [LoggerMessage(Level = LogLevel.Information, Message = "{Status}: chat {Chat} of user {User}, model {Model}")]
    private partial void LogAnswered(ReplyStatus status, Guid chat, long user, string model);
}
