using System.ComponentModel.DataAnnotations;

namespace Ledger.Service;

/// <summary>The section <c>Ledger</c> of the configuration.</summary>
internal sealed class LedgerOptions
{
    /// <summary>The secret that signs balances in Redis, the same in every replica.</summary>
    [Required(ErrorMessage = "'Ledger:CacheKey' is missing: set it to a secret of 32 characters or more.")]
    [MinLength(32, ErrorMessage = "'Ledger:CacheKey' is too short: it needs 32 characters or more.")]
    public string CacheKey { get; init; } = "";

    /// <summary>How long a call waits for Redis, at most once or twice in a request.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:00:10", ErrorMessage = "'Ledger:CachePatience' is 10 ms to 10 s.")]
    public TimeSpan CachePatience { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How often one of the replicas verifies the books, for the metric <c>ledger.drift</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00", ErrorMessage = "'Ledger:VerifyEvery' is 1 second to 1 day.")]
    public TimeSpan VerifyEvery { get; init; } = TimeSpan.FromMinutes(10);
}
