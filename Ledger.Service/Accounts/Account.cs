namespace Ledger.Service.Accounts;

/// <summary>A user's account. Its balance is always the sum of its transfers.</summary>
internal sealed class Account
{
    /// <summary>The user's id, as in <c>sub</c> of access tokens.</summary>
    public long Id { get; init; }

    /// <summary>Credits, held ones included.</summary>
    public long Balance { get; init; }

    /// <summary>Credits that open holds keep back: they cannot be spent.</summary>
    public long Held { get; init; }

    /// <summary>The number of the account's transfers, and of the latest of them.</summary>
    public long Version { get; init; }

    /// <summary>
    /// How often <see cref="Balance"/> or <see cref="Held"/> has changed. Orders the values of the cache.
    /// </summary>
    public long Revision { get; init; }

    /// <summary>When the account was opened.</summary>
    public DateTimeOffset OpenedAt { get; init; }

    /// <summary>When it was closed. What was held before can be captured and released, and nothing else.</summary>
    public DateTimeOffset? ClosedAt { get; init; }

    /// <summary>What can be spent: the balance without what is held.</summary>
    public Balance Spendable => new(Balance - Held, Revision);
}
