namespace Ledger.Service.Accounts;

/// <summary>A balance at one moment.</summary>
/// <param name="Tokens">Tokens left to spend: those that are held are not.</param>
/// <param name="Revision">How often the account had changed by then.</param>
internal readonly record struct Balance(long Tokens, long Revision)
{
    /// <summary>The most tokens an account may be given: what JSON numbers hold exactly (RFC 8259, 6).</summary>
    public const long Max = (1L << 53) - 1;
}
