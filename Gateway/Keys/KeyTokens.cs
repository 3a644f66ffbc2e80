using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Internal;

namespace Gateway.Keys;

/// <summary>
/// The access tokens of the API keys in use, for a few seconds each, so that a key is not exchanged for every request,
/// and yet is of no use soon after it is revoked. Keys are not kept, only their hashes.
/// </summary>
/// <param name="services">Makes the client that exchanges keys.</param>
/// <param name="clock">The time.</param>
internal sealed class KeyTokens(IServiceProvider services, TimeProvider clock) : IDisposable
{
    /// <summary>How many keys are known at once; the others are exchanged for each request.</summary>
    public const int MaxKeys = 10_000;

    /// <summary>
    /// How long an answer counts, from the moment on that it was asked for: a revocation works by then.
    /// </summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(5);

    /// <summary>How long a key is known to have been one.</summary>
    private static readonly TimeSpan KnownFor = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly MemoryCache _answers = new(new MemoryCacheOptions
    {
        SizeLimit = MaxKeys,
        ExpirationScanFrequency = Lifetime,
        Clock = new Clock(clock),
    });

    private readonly MemoryCache _good = new(new MemoryCacheOptions { SizeLimit = MaxKeys, Clock = new Clock(clock) });

    /// <summary>Gets how many keys are known.</summary>
    public int Count => _answers.Count;

    /// <summary>The access token of a key. Requests that come together ask once.</summary>
    /// <param name="key">What a caller sent as a key.</param>
    /// <param name="around">
    /// Is around the question to Identity.Service, when there is one about a key that is not known.
    /// </param>
    /// <param name="cancellationToken">Ends the wait of this caller; others may wait for the same answer.</param>
    /// <returns>The token; null when the key is unknown or revoked, which is kept like a token.</returns>
    /// <exception cref="Exception">Identity.Service cannot be asked. That is not kept.</exception>
    public Task<string?> GetAsync(
        string key, Func<Func<Task<string?>>, Task<string?>> around, CancellationToken cancellationToken)
    {
        if (!ApiKeys.IsWellFormed(key))
        {
            return Task.FromResult<string?>(null);
        }

        var hash = Convert.ToHexString(ApiKeys.Hash(key));
        return Answer(hash, key, around).WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _answers.Dispose();
        _good.Dispose();
    }

    private Task<string?> Answer(string hash, string key, Func<Func<Task<string?>>, Task<string?>> around)
    {
        if (_answers.TryGetValue(hash, out Task<string?>? known))
        {
            return known!;
        }

        lock (_lock)
        {
            if (_answers.TryGetValue(hash, out known))
            {
                return known!;
            }

            var until = clock.GetUtcNow() + Lifetime;
            var answer = Task.Run(() => ExchangeAsync(hash, key, around));
            _answers.Set(hash, answer, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpiration = until });
            return answer;
        }
    }

    private async Task<string?> ExchangeAsync(
        string hash, string key, Func<Func<Task<string?>>, Task<string?>> around)
    {
        try
        {
            // Whoever tries keys from the same address keeps nobody out who has had one here before.
            var token = _good.TryGetValue(hash, out _) ? await ExchangeAsync() : await around(ExchangeAsync);
            if (token is null)
            {
                _good.Remove(hash);
            }
            else
            {
                _good.Set(hash, true, new MemoryCacheEntryOptions { Size = 1, SlidingExpiration = KnownFor });
            }

            return token;
        }
        catch
        {
            // Under the lock, so that this is not before the answer is kept.
            lock (_lock)
            {
                _answers.Remove(hash);
            }

            throw;
        }

        Task<string?> ExchangeAsync() => services.GetRequiredService<KeyExchange>().ExchangeAsync(key);
    }

    private sealed class Clock(TimeProvider clock) : ISystemClock
    {
        public DateTimeOffset UtcNow => clock.GetUtcNow();
    }
}
