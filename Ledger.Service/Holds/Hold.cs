namespace Ledger.Service.Holds;

/// <summary>
/// Credits that a request under way may cost: they are still the user's, and cannot be spent. It ends with a capture or
/// a release, and never by itself.
/// </summary>
/// <param name="AccountId">Whose account.</param>
/// <param name="Id">The id that the caller gave it; its capture has the same.</param>
/// <param name="Holder">The request that holds: of two with the same id only one may.</param>
/// <param name="RequestHash">SHA-256 of what was asked for.</param>
/// <param name="Amount">Credits, 0 or more.</param>
/// <param name="Day">The day of UTC for which it counts: in the account's month, and for the API key.</param>
/// <param name="KeyId">The API key, if any.</param>
/// <param name="Conversation">The conversation that it is part of, for those who settle it later.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="RenewedAt">When its holder last said that it is at work.</param>
internal sealed record Hold(
    long AccountId, Guid Id, Guid Holder, byte[] RequestHash, long Amount, DateOnly Day, long? KeyId,
    Guid? Conversation, DateTimeOffset CreatedAt, DateTimeOffset RenewedAt);
