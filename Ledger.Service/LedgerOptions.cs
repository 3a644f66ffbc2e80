using System.ComponentModel.DataAnnotations;

namespace Ledger.Service;

/// <summary>The section <c>Ledger</c> of the configuration.</summary>
internal sealed class LedgerOptions
{
    /// <summary>How many tokens a new account has.</summary>
    [Range(0, 1_000_000_000)]
    public long OpeningTokens { get; init; } = 4000;
}
