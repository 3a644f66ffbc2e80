using System.Runtime.InteropServices;
using System.Threading.RateLimiting;

namespace Identity.Service;

/// <summary>
/// Hashing is slow on purpose. So that a storm of logins leaves the cores to everything else, few hashes are computed
/// at once, a bounded number wait their turn, few of them of one address, and what is beyond that is refused at once.
/// </summary>
internal sealed class HashGate : IDisposable
{
    /// <summary>Registrations have one place in so many. The others are kept for those who are users already.</summary>
    private const int RegistrationShare = 4;

    private readonly ConcurrencyLimiter _limiter;
    private readonly int _maxPerAddress;
    private readonly int _maxRegistrations;
    private int _registrations;
    private readonly Dictionary<string, int> _inside = [];
    private readonly Lock _lock = new();

    /// <summary>Makes the gate.</summary>
    /// <param name="options">How many at once, and how many waiting.</param>
    /// <param name="metrics">Shows how many wait.</param>
    public HashGate(LoginOptions options, IdentityMetrics metrics)
    {
        _maxPerAddress = options.MaxQueuedHashesPerAddress;
        _maxRegistrations = Math.Max(1, (options.MaxParallelHashes + options.MaxQueuedHashes) / RegistrationShare);
        _limiter = new(new()
        {
            PermitLimit = options.MaxParallelHashes,
            QueueLimit = options.MaxQueuedHashes,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
        });
        metrics.ShowQueue(() => _limiter.GetStatistics()!.CurrentQueuedCount);
    }

    /// <summary>Waits for a turn; a caller who leaves gives up the place in the queue.</summary>
    /// <param name="address">Who asks: a <see cref="LoginAttempt.Address"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="isRegistration">Whether it is for a new user.</param>
    /// <returns>The turn, which ends when it is disposed, or a refusal when too many wait.</returns>
    public async ValueTask<Turn> EnterAsync(
        string address, CancellationToken cancellationToken, bool isRegistration = false)
    {
        if (!TryCount(address, isRegistration))
        {
            return default;
        }

        try
        {
            var atOnce = _limiter.AttemptAcquire();
            return atOnce.IsAcquired
                ? new(this, address, isRegistration, atOnce, Waited: false)
                : new(
                    this, address, isRegistration, await _limiter.AcquireAsync(cancellationToken: cancellationToken),
                    Waited: true);
        }
        catch
        {
            Leave(address, isRegistration);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _limiter.Dispose();

    private bool TryCount(string address, bool isRegistration)
    {
        lock (_lock)
        {
            if (isRegistration && _registrations >= _maxRegistrations)
            {
                return false;
            }

            ref var inside = ref CollectionsMarshal.GetValueRefOrAddDefault(_inside, address, out _);
            if (inside >= _maxPerAddress)
            {
                return false;
            }

            inside++;
            _registrations += isRegistration ? 1 : 0;
            return true;
        }
    }

    private void Leave(string address, bool isRegistration)
    {
        lock (_lock)
        {
            _registrations -= isRegistration ? 1 : 0;
            if (--CollectionsMarshal.GetValueRefOrAddDefault(_inside, address, out _) == 0)
            {
                _inside.Remove(address);
            }
        }
    }

    /// <summary>A turn at hashing, or none.</summary>
    /// <param name="Gate">Where it is.</param>
    /// <param name="Address">Whose it is.</param>
    /// <param name="IsRegistration">Whether it is for a new user.</param>
    /// <param name="Lease">The limiter's.</param>
    /// <param name="Waited">Whether time has passed since it was asked for.</param>
    internal readonly record struct Turn(
        HashGate? Gate, string Address, bool IsRegistration, RateLimitLease? Lease, bool Waited) : IDisposable
    {
        /// <summary>Gets whether there are too many.</summary>
        public bool IsRefused => Lease?.IsAcquired != true;

        /// <inheritdoc/>
        public void Dispose()
        {
            Lease?.Dispose();
            Gate?.Leave(Address, IsRegistration);
        }
    }
}
