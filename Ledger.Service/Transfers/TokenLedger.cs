using Ledger.Service.Accounts;
using Microsoft.Extensions.Options;

namespace Ledger.Service.Transfers;

/// <summary>
/// Every way tokens move and are read. Postgres decides; what it decided goes to the cache before the caller hears of
/// it, so that the caller's next read, on any replica, is not older.
/// </summary>
internal sealed class TokenLedger(TransferStore store, BalanceCache cache, IOptions<LedgerOptions> options)
{
    /// <summary>
    /// How often a refused debit is tried again because the account has changed since. Each time another request has
    /// won a race, so that a few are enough.
    /// </summary>
    private const int MaxAttempts = 16;

    /// <summary>A user's tokens. Opens the account on first contact.</summary>
    /// <param name="account">The user.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Tokens left.</returns>
    public async Task<long> GetBalanceAsync(long account, CancellationToken cancellationToken)
    {
        if (await cache.GetAsync(account) is { } held)
        {
            return held.Tokens;
        }

        var balance = await store.BalanceAsync(account, cancellationToken);
        if (balance is null)
        {
            await OpenAsync(account, cancellationToken);
            balance = await store.BalanceAsync(account, cancellationToken);
        }

        await cache.SetAsync(account, balance!.Value);
        return balance.Value.Tokens;
    }

    /// <summary>Takes tokens from a user, once per name. Opens the account on first contact.</summary>
    /// <param name="request">What to take.</param>
    /// <param name="cancellationToken">Ends the wait. The transfer may be written all the same.</param>
    /// <returns>What became of it.</returns>
    public async Task<Outcome> DebitAsync(DebitRequest request, CancellationToken cancellationToken)
    {
        Balance balance = default;
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await store.DebitAsync(request, cancellationToken) is { } debited)
            {
                await cache.SetAsync(request.Account, debited);
                return new Outcome(TransferStatus.Created, request.Id, debited);
            }

            if (await store.FindAsync(request.Id, cancellationToken) is { } written)
            {
                await RefreshAsync(request.Account, cancellationToken);
                return Compare(request, written);
            }

            if (await store.BalanceAsync(request.Account, cancellationToken) is not { } current)
            {
                await OpenAsync(request.Account, cancellationToken);
                continue;
            }

            balance = current;
            if (balance.Tokens < request.Amount)
            {
                break;
            }

            // Since the debit was refused, another request has opened the account or given tokens back: try again.
        }

        return new Outcome(TransferStatus.InsufficientTokens, request.Id, balance);
    }

    /// <summary>
    /// Gives a charge back, once. A charge that is not there is voided: when it arrives late, it is refused.
    /// </summary>
    /// <param name="charge">The charge's name.</param>
    /// <param name="cancellationToken">Ends the wait. The refund may be written all the same.</param>
    /// <returns>Created, Exists, or UnknownCharge.</returns>
    public async Task<Outcome> RefundAsync(Guid charge, CancellationToken cancellationToken)
    {
        var refund = Guid.CreateVersion7();
        if (await store.RefundAsync(charge, refund, cancellationToken) is { } refunded)
        {
            await cache.SetAsync(refunded.Account, refunded.Balance);
            return new Outcome(TransferStatus.Created, refund, refunded.Balance);
        }

        if (await store.FindRefundAsync(charge, cancellationToken) is { } before)
        {
            await RefreshAsync(before.Account, cancellationToken);
            return new Outcome(TransferStatus.Exists, before.Id, new Balance(before.BalanceAfter, 0));
        }

        if (!await store.VoidAsync(charge, cancellationToken)
            && await store.FindAsync(charge, cancellationToken) is { Kind: TransferKind.Charge })
        {
            return await RefundAsync(charge, cancellationToken); // It has arrived in this moment.
        }

        return new Outcome(TransferStatus.UnknownCharge, charge);
    }

    /// <summary>
    /// Brings the cache up to date when an earlier call may have written to Postgres and not to Redis, because it was
    /// cut off in between.
    /// </summary>
    private async Task RefreshAsync(long account, CancellationToken cancellationToken)
    {
        if (await store.BalanceAsync(account, cancellationToken) is { } current)
        {
            await cache.SetAsync(account, current);
        }
    }

    private static Outcome Compare(DebitRequest request, WrittenTransfer written)
    {
        if (written.Kind is TransferKind.Void)
        {
            return new Outcome(TransferStatus.AlreadyRefunded, request.Id);
        }

        var same = written.RequestHash.AsSpan().SequenceEqual(request.Hash());
        return new Outcome(
            same && written.Refunded ? TransferStatus.AlreadyRefunded
                : same ? TransferStatus.Exists
                : TransferStatus.ExistsWithDifferentContent,
            request.Id,
            new Balance(written.BalanceAfter, 0));
    }

    /// <summary>The opening's name follows from the account, so that an account can have one only.</summary>
    private Task OpenAsync(long account, CancellationToken cancellationToken) => store.OpenAsync(
        account,
        IdempotencyKey.ToTransferId(account, "opening", "opening"),
        options.Value.OpeningTokens,
        cancellationToken);
}
