using System.Threading.RateLimiting;
using Microsoft.Extensions.Options;

namespace Chat.Service.Chats;

/// <summary>
/// How many exports and large pages a user may read at once, at each replica. Each holds a page of up to a chat or
/// 1 MiB in memory until its client has read it, and without this a user could leave thousands of them unread.
/// </summary>
/// <param name="options">How many.</param>
internal sealed class ReadLimits(IOptions<ChatSettings> options) : IDisposable
{
    private readonly PartitionedRateLimiter<long> _exports = PerUser(options.Value.MaxConcurrentExports);
    private readonly PartitionedRateLimiter<long> _pages = PerUser(options.Value.MaxConcurrentPages);

    /// <summary>Asks to begin an export.</summary>
    /// <param name="userId">Whose.</param>
    /// <returns>To be disposed of when the export ends; not acquired when there are too many.</returns>
    public RateLimitLease Export(long userId) => _exports.AttemptAcquire(userId);

    /// <summary>Asks to answer with a large page.</summary>
    /// <param name="userId">Whose.</param>
    /// <returns>To be disposed of when the page is written; not acquired when there are too many.</returns>
    public RateLimitLease Page(long userId) => _pages.AttemptAcquire(userId);

    /// <inheritdoc/>
    public void Dispose()
    {
        _exports.Dispose();
        _pages.Dispose();
    }

    private static PartitionedRateLimiter<long> PerUser(int limit) => PartitionedRateLimiter.Create<long, long>(
        userId => RateLimitPartition.GetConcurrencyLimiter(
            userId, _ => new ConcurrencyLimiterOptions { PermitLimit = limit }));
}
