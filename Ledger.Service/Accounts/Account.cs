namespace Ledger.Service.Accounts;

/// <summary>A user's account. Its balance is always the sum of its transfers.</summary>
internal sealed class Account
{
    /// <summary>The user's id, as in <c>sub</c> of access tokens.</summary>
    public long Id { get; init; }

    /// <summary>Tokens, those that are held included.</summary>
    public long Balance { get; init; }

    /// <summary>Tokens that open holds keep back: they cannot be spent.</summary>
    public long Held { get; init; }

    /// <summary>The number of the account's transfers, and of the latest of them.</summary>
    public long Version { get; init; }

    /// <summary>
    /// How often <see cref="Balance"/> or <see cref="Held"/> has changed. Orders the values of the cache.
    /// </summary>
    public long Revision { get; init; }

    /// <summary>When the account was opened.</summary>
    public DateTimeOffset OpenedAt { get; init; }

    /// <summary>When it was closed. A closed account takes refunds and nothing else.</summary>
    public DateTimeOffset? ClosedAt { get; init; }
}

/// <summary>
/// The other side of every user's transfer. These accounts have ids but no rows: a row would be locked by every charge
/// of every user, and what they hold can be summed from the transfers.
/// </summary>
internal static class SystemAccount
{
    /// <summary>Where new tokens come from.</summary>
    public const long Issuance = -1;

    /// <summary>Where spent tokens go.</summary>
    public const long Revenue = -2;
}
