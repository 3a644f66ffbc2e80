using System.Threading.RateLimiting;

namespace Identity.Service;

/// <summary>
/// Hashing is slow on purpose. So that a storm of logins leaves the cores to everything else, few hashes are computed
/// at once, a bounded number wait their turn, and what is beyond that is refused at once.
/// </summary>
internal sealed class HashGate : IDisposable
{
    private readonly ConcurrencyLimiter _limiter;

    /// <summary>Makes the gate.</summary>
    /// <param name="options">How many at once, and how many waiting.</param>
    /// <param name="metrics">Shows how many wait.</param>
    public HashGate(LoginOptions options, IdentityMetrics metrics)
    {
        _limiter = new(new()
        {
            PermitLimit = options.MaxParallelHashes,
            QueueLimit = options.MaxQueuedHashes,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
        });
        metrics.ShowQueue(() => _limiter.GetStatistics()!.CurrentQueuedCount);
    }

    /// <summary>Waits for a turn; a caller who leaves gives up the place in the queue.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The turn, which ends when it is disposed, or a refusal when the queue is full.</returns>
    public async ValueTask<Turn> EnterAsync(CancellationToken cancellationToken)
    {
        var atOnce = _limiter.AttemptAcquire();
        return atOnce.IsAcquired
            ? new(atOnce, Waited: false)
            : new(await _limiter.AcquireAsync(cancellationToken: cancellationToken), Waited: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _limiter.Dispose();

    /// <summary>A turn at hashing, or none.</summary>
    /// <param name="Lease">The limiter's.</param>
    /// <param name="Waited">Whether time has passed since it was asked for.</param>
    internal readonly record struct Turn(RateLimitLease Lease, bool Waited) : IDisposable
    {
        /// <summary>Gets whether there are too many.</summary>
        public bool IsRefused => !Lease.IsAcquired;

        /// <inheritdoc/>
        public void Dispose() => Lease.Dispose();
    }
}
