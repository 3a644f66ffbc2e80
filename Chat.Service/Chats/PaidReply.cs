using Chat.Service.Ledger;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Chat.Service.Chats;

/// <summary>
/// Charge, reply, store: a user is charged if and only if a reply is stored. Whatever fails after the charge was asked for
/// sets the charge's tombstone and then refunds it, in that order, so that nothing can be both stored and refunded.
/// </summary>
internal sealed class PaidReply(
    ChatStore store,
    LedgerClient ledger,
    IChatClient model,
    IOptions<ChatSettings> options,
    ILogger<PaidReply> logger)
{
    /// <summary>How long undoing may take once the caller is gone.</summary>
    private static readonly TimeSpan UndoTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Answers a message.</summary>
    /// <param name="charge">Who pays, what for.</param>
    /// <param name="cancellationToken">The caller has gone: the charge is undone.</param>
    /// <returns>The stored chat, or why there is none.</returns>
    public async Task<PaidReplyResult> AnswerAsync(ChatCharge charge, CancellationToken cancellationToken)
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
            await UndoAsync(charge);
            cancellationToken.ThrowIfCancellationRequested();
            return new(ReplyStatus.LedgerUnavailable);
        }

        if (charged.Status is not ChargeStatus.Created)
        {
            return new(charged.Status switch
            {
                ChargeStatus.Exists => ReplyStatus.InProgress,
                ChargeStatus.InsufficientTokens => ReplyStatus.InsufficientTokens,
                ChargeStatus.AlreadyRefunded => ReplyStatus.Refunded,
                _ => ReplyStatus.KeyReused,
            }, Problem: charged.Problem);
        }

        try
        {
            var response = await AskAsync(charge.Message, cancellationToken);
            var chat = await store.AddAsync(charge, response, charged.Balance, cancellationToken);
            return chat is null ? new(ReplyStatus.Refunded) : new(ReplyStatus.Stored, chat);
        }
        catch (Exception exception)
        {
            logger.LogWarning(exception, "No reply for charge {Charge}", charge.Id);
            await UndoAsync(charge);
            cancellationToken.ThrowIfCancellationRequested();
            return new(exception switch
            {
                TimeoutException => ReplyStatus.ModelTimedOut,
                NpgsqlException => ReplyStatus.StoreUnavailable,
                _ => ReplyStatus.ModelFailed,
            });
        }
    }

    private async Task<string> AskAsync(string message, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(options.Value.ModelTimeout);
        try
        {
            return (await model.GetResponseAsync(message, cancellationToken: patience.Token).WaitAsync(patience.Token)).Text;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"The model took longer than {options.Value.ModelTimeout}.");
        }
    }

    private async Task UndoAsync(ChatCharge charge)
    {
        // Not the caller's token: a caller that has gone is one reason to be here.
        using var patience = new CancellationTokenSource(UndoTimeout);
        try
        {
            if (await store.AddTombstoneAsync(charge, patience.Token))
            {
                await ledger.RefundAsync(charge.Id, patience.Token);
            }
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "Charge {Charge} of user {User} could not be refunded yet", charge.Id, charge.UserId);
        }
    }
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

    /// <summary>The key names a request with another message.</summary>
    KeyReused,

    /// <summary>Too few tokens.</summary>
    InsufficientTokens,

    /// <summary>The model failed; refunded.</summary>
    ModelFailed,

    /// <summary>The model took too long; refunded.</summary>
    ModelTimedOut,

    /// <summary>The ledger does not answer.</summary>
    LedgerUnavailable,

    /// <summary>The reply could not be stored; refunded.</summary>
    StoreUnavailable,
}

/// <summary>What became of a message.</summary>
/// <param name="Status">In a word.</param>
/// <param name="Chat">The chat, when it is stored.</param>
/// <param name="Problem">The ledger's sentence, when it refused.</param>
internal sealed record PaidReplyResult(ReplyStatus Status, StoredChat? Chat = null, string? Problem = null);
