namespace Ledger.Service.Accounts;

/// <summary>A balance at one moment.</summary>
/// <param name="Tokens">Tokens left.</param>
/// <param name="Version">How often the balance had changed by then.</param>
internal readonly record struct Balance(long Tokens, long Version);
