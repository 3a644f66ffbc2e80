using Ledger.Service.Accounts;
using Ledger.Service.Transfers;

namespace Ledger.Tests;

/// <summary>What the ledger must do, in memory and without any haste.</summary>
internal sealed class LedgerModel
{
    private const long Opening = 4000;

    private readonly Dictionary<Guid, Written> _written = [];
    private readonly HashSet<long> _closed = [];

    /// <summary>The accounts that are open, and their tokens.</summary>
    public Dictionary<long, long> Balances { get; } = [];

    /// <summary>What the API keys have spent. In the model it is always the same day.</summary>
    public Dictionary<(long Account, long Key), long> Spent { get; } = [];

    /// <summary>A charge, deduction or credit.</summary>
    public TransferStatus Move(TransferRequest request)
    {
        if (request.Amount < 1)
        {
            return TransferStatus.InvalidAmount;
        }

        var content = (request.Kind, request.Account, request.Amount, Guid.Empty);
        if (_written.TryGetValue(request.Id, out var before))
        {
            return Compare(before, content);
        }

        var isCredit = request.Kind is TransferKind.Credit;
        if (isCredit && !Balances.ContainsKey(request.Account))
        {
            return TransferStatus.UnknownAccount;
        }

        var balance = Read(request.Account);
        if (_closed.Contains(request.Account))
        {
            return TransferStatus.AccountClosed;
        }

        var spent = request.Key is { } used ? Spent.GetValueOrDefault((request.Account, used.Id)) : 0;
        if (spent + request.Amount > request.Key?.Limit || spent + request.Amount > request.Key?.DailyLimit)
        {
            return TransferStatus.KeyLimitReached;
        }

        if (isCredit ? balance > Balance.Max - request.Amount : balance < request.Amount)
        {
            return isCredit ? TransferStatus.BalanceTooLarge : TransferStatus.InsufficientTokens;
        }

        Balances[request.Account] += isCredit ? request.Amount : -request.Amount;
        if (request.Key is { } key)
        {
            Spent[(request.Account, key.Id)] = spent + request.Amount;
        }

        var refundable = request.Kind is TransferKind.Charge ? request.Amount : 0;
        _written[request.Id] = new Written(content, refundable, request.Key?.Id);
        return TransferStatus.Created;
    }

    /// <summary>All that is left of a charge.</summary>
    public TransferStatus Refund(Guid charge)
    {
        if (!_written.TryGetValue(charge, out var written))
        {
            _written[charge] = new Written((TransferKind.Void, 0, 0, Guid.Empty), 0);
            return TransferStatus.UnknownCharge;
        }

        if (written.Content.Kind is not TransferKind.Charge)
        {
            return TransferStatus.UnknownCharge;
        }

        if (written.Refundable == 0)
        {
            return TransferStatus.Exists;
        }

        GiveBack(charge, written, written.Refundable);
        return TransferStatus.Created;
    }

    /// <summary>A part of a charge.</summary>
    public TransferStatus Refund(RefundRequest request)
    {
        var amount = request.Amount!.Value;
        if (amount < 1)
        {
            return TransferStatus.InvalidAmount;
        }

        var content = (TransferKind.Refund, 0L, amount, request.Charge);
        if (_written.TryGetValue(request.Id, out var before))
        {
            return Compare(before, content);
        }

        if (!_written.TryGetValue(request.Charge, out var charge) || charge.Content.Kind is not TransferKind.Charge)
        {
            return TransferStatus.UnknownCharge;
        }

        if (charge.Refundable < amount)
        {
            return charge.Refundable == 0 ? TransferStatus.AlreadyRefunded : TransferStatus.RefundExceedsCharge;
        }

        GiveBack(request.Charge, charge, amount);
        _written[request.Id] = new Written(content, 0);
        return TransferStatus.Created;
    }

    /// <summary>Closes an account.</summary>
    public long? Close(long account)
    {
        if (!Balances.TryGetValue(account, out var tokens))
        {
            return null;
        }

        _closed.Add(account);
        return tokens;
    }

    /// <summary>Reads a balance; the first contact opens the account.</summary>
    public long Read(long account)
    {
        Balances.TryAdd(account, Opening);
        return Balances[account];
    }

    private static TransferStatus Compare(
        Written before, (TransferKind Kind, long Account, long Amount, Guid Charge) content) =>
        before.Content.Kind is TransferKind.Void ? TransferStatus.AlreadyRefunded
        : before.Content != content ? TransferStatus.ExistsWithDifferentContent
        : before.Content.Kind is TransferKind.Charge && before.Refundable == 0 ? TransferStatus.AlreadyRefunded
        : TransferStatus.Exists;

    private void GiveBack(Guid name, Written charge, long amount)
    {
        Balances[charge.Content.Account] += amount;
        if (charge.Key is { } key)
        {
            Spent[(charge.Content.Account, key)] -= amount;
        }

        _written[name] = charge with { Refundable = charge.Refundable - amount };
    }

    private sealed record Written(
        (TransferKind Kind, long Account, long Amount, Guid Charge) Content, long Refundable, long? Key = null);
}
