using Ledger.Service.Accounts;
using Microsoft.Extensions.Options;

namespace Ledger.Service.Transfers;

/// <summary>
/// Every way tokens move and are read. Postgres decides; what it decided goes to the cache before the caller hears of
/// it, so that the caller's next read, on any replica, is not older.
/// </summary>
internal sealed class TokenLedger(
    TransferStore store,
    LedgerReader reader,
    BalanceCache cache,
    LedgerMetrics metrics,
    IOptions<LedgerOptions> options)
{
    /// <summary>
    /// How often a statement that did nothing is tried again because the books have changed since. Each time another
    /// request has won a race, so that a few are enough.
    /// </summary>
    private const int MaxAttempts = 100;

    /// <summary>A user's tokens. Opens the account on first contact.</summary>
    /// <param name="account">The user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Tokens left.</returns>
    public async Task<long> GetBalanceAsync(long account, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("read");
        if (await cache.GetAsync(account) is { } held)
        {
            return held.Tokens;
        }

        var found = await reader.AccountAsync(account, cancellationToken);
        if (found is null)
        {
            await OpenAsync(account, cancellationToken);
            found = await reader.AccountAsync(account, cancellationToken);
        }

        await cache.SetAsync(account, found!.Value.Balance);
        return found.Value.Balance.Tokens;
    }

    /// <summary>Takes tokens from a user, once per name. Opens the account on first contact.</summary>
    /// <param name="request">What to take.</param>
    /// <param name="cancellationToken">Ends the wait. The transfer may be written all the same.</param>
    /// <returns>What became of it.</returns>
    public Task<Outcome> DebitAsync(TransferRequest request, CancellationToken cancellationToken) =>
        MoveAsync(request, store.DebitAsync, opens: true, cancellationToken);

    /// <summary>Gives tokens to a user who has an account, once per name.</summary>
    /// <param name="request">What to give.</param>
    /// <param name="cancellationToken">Ends the wait. The transfer may be written all the same.</param>
    /// <returns>What became of it.</returns>
    public Task<Outcome> CreditAsync(TransferRequest request, CancellationToken cancellationToken) =>
        MoveAsync(request, store.CreditAsync, opens: false, cancellationToken);

    /// <summary>
    /// Gives all that is left of a charge back, once. A charge that is not there is voided: when it arrives late, it is
    /// refused.
    /// </summary>
    /// <param name="charge">The charge's name.</param>
    /// <param name="cancellationToken">Ends the wait. The refund may be written all the same.</param>
    /// <returns>Created, Exists, or UnknownCharge.</returns>
    public async Task<Outcome> RefundAsync(Guid charge, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("refund");
        var (outcome, amount) = await TryRefundAsync(
            new RefundRequest(charge, Guid.CreateVersion7()), cancellationToken);
        if (outcome.Status is TransferStatus.AlreadyRefunded
            && await reader.LastRefundAsync(charge, cancellationToken) is { } last)
        {
            outcome = new Outcome(TransferStatus.Exists, last.Id, new Balance(last.BalanceAfter, 0));
        }
        else if (outcome.Status is TransferStatus.UnknownCharge && !await store.VoidAsync(charge, cancellationToken)
            && await reader.FindAsync(charge, cancellationToken) is { Kind: TransferKind.Charge })
        {
            return await RefundAsync(charge, cancellationToken); // It has arrived in this moment.
        }

        return Count(TransferKind.Refund, amount, outcome);
    }

    /// <summary>
    /// Takes the name of a charge that is not there: when it arrives late, it is refused. It moves no tokens.
    /// </summary>
    /// <param name="charge">The charge's name.</param>
    /// <param name="cancellationToken">Ends the wait. The name may be taken all the same.</param>
    /// <returns>The charge, when it is there; null when it can never be.</returns>
    public async Task<WrittenTransfer?> VoidAsync(Guid charge, CancellationToken cancellationToken) =>
        await store.VoidAsync(charge, cancellationToken) ? null
            : await reader.FindAsync(charge, cancellationToken) is { Kind: TransferKind.Charge } written ? written
            : null;

    /// <summary>Gives a charge back, or a part of it, once per name and never more than was charged.</summary>
    /// <param name="request">What to give back.</param>
    /// <param name="cancellationToken">Ends the wait. The refund may be written all the same.</param>
    /// <returns>What became of it.</returns>
    public async Task<Outcome> RefundAsync(RefundRequest request, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("refund");
        var (outcome, amount) = await TryRefundAsync(request, cancellationToken);
        return Count(TransferKind.Refund, amount, outcome);
    }

    private async Task<(Outcome Outcome, long Amount)> TryRefundAsync(
        RefundRequest request, CancellationToken cancellationToken)
    {
        if (request.Amount < 1)
        {
            return (new Outcome(TransferStatus.InvalidAmount, request.Id), 0);
        }

        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await store.RefundAsync(request, cancellationToken) is { } refunded)
            {
                await cache.SetAsync(refunded.Account, refunded.Balance);
                return (new Outcome(TransferStatus.Created, request.Id, refunded.Balance), refunded.Amount);
            }

            if (await WhyNotAsync(request, cancellationToken) is { } why)
            {
                return (why, 0);
            }
        }

        throw new TimeoutException($"Charge {request.Charge} has changed {MaxAttempts} times in a row.");
    }

    /// <summary>Closes an account for all but refunds. It keeps its tokens.</summary>
    /// <param name="account">The user.</param>
    /// <param name="cancellationToken">Ends the wait. The account may be closed all the same.</param>
    /// <returns>The tokens it keeps; null when there is no such account.</returns>
    public async Task<long?> CloseAsync(long account, CancellationToken cancellationToken) =>
        (await store.CloseAsync(account, cancellationToken))?.Tokens;

    /// <summary>Opens an account unless it is open. The opening's name follows from the account.</summary>
    /// <param name="account">The user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task OpenAsync(long account, CancellationToken cancellationToken) =>
        store.OpenAsync(account, OpeningOf(account), options.Value.OpeningTokens, cancellationToken);

    /// <summary>Opens an account with tokens of the caller's choice, for a user who brings them along.</summary>
    /// <param name="account">The user.</param>
    /// <param name="tokens">How many; 0 is an account without a transfer.</param>
    /// <param name="cancellationToken">Ends the wait. The account may be opened all the same.</param>
    /// <returns>Created, Exists, or ExistsWithDifferentContent when it was opened with another number.</returns>
    public async Task<Outcome> OpenAsync(long account, long tokens, CancellationToken cancellationToken)
    {
        using var timer = metrics.Time("opening");
        var opening = OpeningOf(account);
        var status = await store.OpenAsync(account, opening, tokens, cancellationToken) ? TransferStatus.Created
            : (await reader.FindAsync(opening, cancellationToken))?.BalanceAfter.Equals(tokens) ?? tokens == 0
                ? TransferStatus.Exists
            : TransferStatus.ExistsWithDifferentContent;
        return Count(TransferKind.Opening, tokens, new Outcome(status, opening, new Balance(tokens, 0)));
    }

    private static Guid OpeningOf(long account) => IdempotencyKey.ToTransferId(account, "opening", "opening");

    private async Task<Outcome> MoveAsync(
        TransferRequest request,
        Func<TransferRequest, CancellationToken, Task<Balance?>> write,
        bool opens,
        CancellationToken cancellationToken)
    {
        using var timer = metrics.Time(LedgerMetrics.Name(request.Kind));
        if (request.Amount < 1)
        {
            return Count(request.Kind, 0, new Outcome(TransferStatus.InvalidAmount, request.Id));
        }

        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await write(request, cancellationToken) is { } balance)
            {
                await cache.SetAsync(request.Account, balance);
                var outcome = new Outcome(TransferStatus.Created, request.Id, balance, request.Origin);
                return Count(request.Kind, request.Amount, outcome);
            }

            if (await WhyNotAsync(request, cancellationToken) is { } why && !(opens && IsNew(why)))
            {
                return Count(request.Kind, 0, why);
            }

            if (opens)
            {
                await OpenAsync(request.Account, cancellationToken);
            }
        }

        throw new TimeoutException($"Account {request.Account} has changed {MaxAttempts} times in a row.");
    }

    private static bool IsNew(Outcome why) => why.Status is TransferStatus.UnknownAccount;

    /// <summary>Null when nothing is in the way any more: the books have changed since.</summary>
    private async Task<Outcome?> WhyNotAsync(TransferRequest request, CancellationToken cancellationToken)
    {
        // The name last: what stands in the way may be the same request, written in this moment.
        var account = await reader.AccountAsync(request.Account, cancellationToken);
        var allowed = request.Key is not { } key
            || key.Allows(request.Amount, await reader.KeyAsync(request.Account, key.Id, cancellationToken));
        if (await reader.FindAsync(request.Id, cancellationToken) is { } written)
        {
            return await CompareAsync(request.Id, request.Hash(), written, cancellationToken);
        }

        if (account is not var (balance, isClosed))
        {
            return new Outcome(TransferStatus.UnknownAccount, request.Id);
        }

        TransferStatus? status = isClosed ? TransferStatus.AccountClosed
            : !allowed ? TransferStatus.KeyLimitReached
            : request.Kind is TransferKind.Credit
                ? balance.Tokens > Balance.Max - request.Amount ? TransferStatus.BalanceTooLarge : null
            : balance.Tokens < request.Amount ? TransferStatus.InsufficientTokens
            : null;
        return status is null ? null : new Outcome(status.Value, request.Id, balance);
    }

    /// <summary>Null when nothing is in the way any more: another refund was written in between.</summary>
    private async Task<Outcome?> WhyNotAsync(RefundRequest request, CancellationToken cancellationToken)
    {
        if (await reader.FindAsync(request.Id, cancellationToken) is { } written)
        {
            return await CompareAsync(request.Id, request.Hash(), written, cancellationToken);
        }

        if (await reader.FindAsync(request.Charge, cancellationToken) is not { Kind: TransferKind.Charge } charge)
        {
            return new Outcome(TransferStatus.UnknownCharge, request.Id);
        }

        if (charge.Refundable >= request.Amount.GetValueOrDefault(1))
        {
            return null;
        }

        await RefreshAsync(charge.Account, cancellationToken);
        return new Outcome(
            charge.IsRefunded ? TransferStatus.AlreadyRefunded : TransferStatus.RefundExceedsCharge, request.Id);
    }

    private async Task<Outcome> CompareAsync(
        Guid id, byte[] hash, WrittenTransfer written, CancellationToken cancellationToken)
    {
        await RefreshAsync(written.Account, cancellationToken);
        var isVoid = written.Kind is TransferKind.Void; // It stands for a charge of any content.
        var status = !isVoid && !hash.AsSpan().SequenceEqual(written.RequestHash)
            ? TransferStatus.ExistsWithDifferentContent
            : written.IsRefunded ? TransferStatus.AlreadyRefunded
            : TransferStatus.Exists;
        return new Outcome(status, id, new Balance(written.BalanceAfter, 0), written.Origin);
    }

    /// <summary>
    /// Brings the cache up to date when an earlier call may have written to Postgres and not to Redis, because it was
    /// cut off in between.
    /// </summary>
    private async Task RefreshAsync(long account, CancellationToken cancellationToken)
    {
        if (await reader.AccountAsync(account, cancellationToken) is var (current, _))
        {
            await cache.SetAsync(account, current);
        }
    }

    private Outcome Count(TransferKind kind, long amount, Outcome outcome)
    {
        metrics.Count(kind, outcome.Status, amount);
        return outcome;
    }
}
