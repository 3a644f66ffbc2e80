using System.Data.Common;
using System.Diagnostics;
using Chat.Service.Charges;
using Chat.Service.Ledger;
using Chat.Service.Models;
using Chat.Service.Streaming;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// Charge, reply, store: a user is charged if and only if a reply is stored. Whatever fails after the charge was asked
/// for sets the charge's tombstone and then refunds it, in that order, so that nothing can be both stored and refunded.
/// </summary>
internal sealed partial class PaidReply(
    ChatStore store,
    LedgerClient ledger,
    InFlight inFlight,
    ChatMetrics metrics,
    IOptions<ChatSettings> options,
    IHostApplicationLifetime lifetime,
    ILogger<PaidReply> logger)
{
    /// <summary>How long undoing may take; less than a service has to stop.</summary>
    private static readonly TimeSpan UndoTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Answers a message.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="prompt">Who answers what.</param>
    /// <param name="sink">Takes the reply in pieces while it is made; null when only the whole is of use.</param>
    /// <param name="cancellationToken">
    /// The caller has gone: the charge is undone, unless the model has said all it had to say.
    /// </param>
    /// <returns>The stored chat, or why there is none.</returns>
    public async Task<PaidReplyResult> AnswerAsync(
        ChatCharge charge, Prompt prompt, IReplySink? sink, CancellationToken cancellationToken)
    {
        using var place = inFlight.Enter(charge);
        var status = ReplyStatus.CallerLeft;
        var wentWell = false;
        try
        {
            // Of a request that was sent before, under the same name, this says nothing.
            var result = !inFlight.IsOpen ? new(ReplyStatus.NotReady, IsSettled: !charge.IsRepeatable)
                : inFlight.IsFull(charge.UserId)
                    ? new(ReplyStatus.TooManyChats, IsSettled: !charge.IsRepeatable)
                : await ChargeAndAnswerAsync(charge, prompt, sink, place, cancellationToken);
            status = result.Status;
            wentWell = result is { Status: ReplyStatus.Stored, Reply: not null };
            return result;
        }
        finally
        {
            metrics.Answered(status.ToString(), prompt.Model.Name);
            // Of what went well, as many as there are traces: lines of all would cost a tenth of the rate.
            if (!wentWell || Activity.Current is null or { Recorded: true })
            {
                LogAnswered(status, charge.Id, charge.UserId, prompt.Model.Name);
            }
        }
    }

    /// <summary>A line for a message, which appsettings.json keeps from the console.</summary>
    [LoggerMessage(
        Level = LogLevel.Information, Message = "{Status}: charge {Charge} of user {User}, model {Model}")]
    private partial void LogAnswered(ReplyStatus status, Guid charge, long user, string model);

    private async Task<PaidReplyResult> ChargeAndAnswerAsync(
        ChatCharge charge,
        Prompt prompt,
        IReplySink? sink,
        InFlight.Place place,
        CancellationToken cancellationToken)
    {
        ChargeResult charged;
        try
        {
            charged = await ledger.ChargeAsync(charge, cancellationToken);
        }
        catch (Exception exception)
        {
            // The charge may have been written though its answer was lost.
            logger.LogWarning(exception, "The ledger did not answer for charge {Charge}", charge.Id);
            return await UndoAsync(charge, ReplyStatus.LedgerUnavailable, cancellationToken);
        }

        if (charged.Status is not ChargeStatus.Created)
        {
            return new(charged.Status switch
            {
                ChargeStatus.Exists => ReplyStatus.InProgress,
                ChargeStatus.InsufficientTokens => ReplyStatus.InsufficientTokens,
                ChargeStatus.KeyLimitReached => ReplyStatus.KeyLimitReached,
                ChargeStatus.AlreadyRefunded => ReplyStatus.Refunded,
                ChargeStatus.AccountClosed => ReplyStatus.AccountClosed,
                _ => ReplyStatus.KeyReused,
            }, Problem: charged.Problem);
        }

        place.Charged();
        charge = charge with { Origin = null };
        if (!place.TryPay())
        {
            return await UndoAsync(charge, ReplyStatus.TooManyChats, cancellationToken);
        }

        try
        {
            sink?.Began(charge.Id);
            var reply = await AskAsync(prompt, sink, cancellationToken);
            // From here on there is a reply, whoever is still there to hear it.
            var chat = await store.AddAsync(charge, reply.Text, charged.Balance, CancellationToken.None);
            return chat is null
                ? await UndoAsync(charge, ReplyStatus.TooLate, cancellationToken)
                : new(ReplyStatus.Stored, chat, Reply: reply);
        }
        catch (Exception exception)
        {
            logger.LogWarning(exception, "No reply for charge {Charge}", charge.Id);
            var why = exception switch
            {
                TimeoutException => ReplyStatus.ModelTimedOut,
                ClientGoneException => ReplyStatus.CallerLeft,
                _ when IsOfTheDatabase(exception) => ReplyStatus.StoreUnavailable,
                _ => ReplyStatus.ModelFailed,
            };
            return await UndoAsync(charge, why, cancellationToken);
        }
    }

    /// <summary>
    /// Sets the tombstone and gives the charge back, unless it turns out to be another request's with the same name.
    /// May be repeated: an undo that was cut off is finished.
    /// </summary>
    /// <param name="charge">The charge.</param>
    /// <param name="why">What to answer.</param>
    /// <param name="cancellationToken">
    /// The caller. Undoing goes on when it is gone, which is one reason to undo.
    /// </param>
    /// <returns>Why there is no chat; or the chat, when it turns out to be stored.</returns>
    public async Task<PaidReplyResult> UndoAsync(
        ChatCharge charge, ReplyStatus why, CancellationToken cancellationToken)
    {
        var isSettled = false;
        using var patience = new CancellationTokenSource(UndoTimeout);
        try
        {
            if (charge.Origin is not null && await ledger.IsAnothersAsync(charge, patience.Token))
            {
                inFlight.Settled(charge);
                return new(ReplyStatus.InProgress);
            }

            if (!await store.AddTombstoneAsync(charge, patience.Token)
                && await store.FindAsync(charge.Id, patience.Token) is { Status: not ChatStatus.Refunded } chat)
            {
                // It was stored and the answer to that was lost: paid and delivered.
                inFlight.Settled(charge);
                return new(ReplyStatus.Stored, chat);
            }

            await ledger.RefundAsync(charge.Id, patience.Token);
            isSettled = true;
            inFlight.Settled(charge);
        }
        catch (Exception exception)
        {
            inFlight.Remember(charge);
            logger.LogError(
                exception, "Charge {Charge} of user {User} could not be refunded yet", charge.Id, charge.UserId);
        }

        cancellationToken.ThrowIfCancellationRequested();
        return new(why, IsSettled: isSettled);
    }

    private async Task<Reply> AskAsync(Prompt prompt, IReplySink? sink, CancellationToken cancellationToken)
    {
        // A service that stops does not wait for the model: it undoes while it still can.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, lifetime.ApplicationStopping);
        patience.CancelAfter(prompt.Model.Timeout);
        try
        {
            prompt = await prompt.RecallAsync(patience.Token);
            return await prompt.AskAsync(sink, options.Value.MaxReplyLength, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"The model took longer than {prompt.Model.Timeout}, or the service stops.");
        }
    }

    private static bool IsOfTheDatabase(Exception? exception) => exception is not null
        && (exception is DbException || IsOfTheDatabase(exception.InnerException));
}

/// <summary>What became of a message.</summary>
internal enum ReplyStatus
{
    /// <summary>It is answered and paid.</summary>
    Stored,

    /// <summary>The same request is being answered right now.</summary>
    InProgress,

    /// <summary>The same request failed before and was refunded.</summary>
    Refunded,

    /// <summary>This replica takes no chats on now.</summary>
    NotReady,

    /// <summary>The reply came when the charge had been given back by another replica.</summary>
    TooLate,

    /// <summary>The key names a request with another message.</summary>
    KeyReused,

    /// <summary>Too few tokens.</summary>
    InsufficientTokens,

    /// <summary>The API key may not spend that much more.</summary>
    KeyLimitReached,

    /// <summary>The account is closed.</summary>
    AccountClosed,

    /// <summary>The user has too many chats in flight; refunded, if it was charged.</summary>
    TooManyChats,

    /// <summary>The model failed; refunded.</summary>
    ModelFailed,

    /// <summary>The model took too long; refunded.</summary>
    ModelTimedOut,

    /// <summary>The ledger does not answer.</summary>
    LedgerUnavailable,

    /// <summary>The reply could not be stored; refunded.</summary>
    StoreUnavailable,

    /// <summary>The caller does not take the reply; refunded.</summary>
    CallerLeft,
}

/// <summary>What became of a message.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Chat">The chat, when it is stored.</param>
/// <param name="Problem">The ledger's sentence, when it refused.</param>
/// <param name="IsSettled">Whether it is certain that nothing is charged, when there is no chat.</param>
/// <param name="Reply">What the model said about it, when it was asked just now.</param>
internal sealed record PaidReplyResult(
    ReplyStatus Status,
    StoredChat? Chat = null,
    string? Problem = null,
    bool IsSettled = true,
    Reply? Reply = null);
