using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Limits;

/// <summary>
/// Holds callers to one limit, all replicas of the gateway together. A replica takes permits from the shared count in
/// blocks, the smaller the fewer are left, so that most requests wait for nobody and no permit is given twice. While
/// the shared count cannot be reached, each replica holds callers to the limit by itself.
/// </summary>
/// <param name="name">The limit's name.</param>
/// <param name="limit">The limit.</param>
/// <param name="counts">The shared count.</param>
/// <param name="clock">The time.</param>
internal sealed class RateLimiter(string name, Limit limit, SharedCounts counts, TimeProvider clock)
{
    /// <summary>How many callers are counted each by themselves; beyond it they share.</summary>
    private const int MaxTallies = 100_000;

    /// <summary>How many tallies those beyond share.</summary>
    private const int SharedTallies = 4096;

    /// <summary>A block is this part of what is left.</summary>
    private const int BlocksLeft = 20;

    private Window _window = new(-1);

    /// <summary>Gets what is allowed, as a header's value (draft-ietf-httpapi-ratelimit-headers).</summary>
    public string Policy { get; } = string.Create(
        CultureInfo.InvariantCulture, $"\"{name}\";q={limit.Permits};w={(long)limit.Window.TotalSeconds}");

    /// <summary>Gets how many callers are counted now.</summary>
    public int Callers => _window.Tallies.Count;

    /// <summary>Counts a request.</summary>
    /// <param name="caller">Whose it is.</param>
    /// <returns>Whether it is allowed, and what is left.</returns>
    public async ValueTask<Permit> TakeAsync(string caller)
    {
        var (window, tally, key) = Find(caller);
        while (true)
        {
            Task refill;
            lock (tally)
            {
                if (tally.Held > 0)
                {
                    tally.Held--;
                    return New(isGranted: true, tally);
                }

                if (tally.Taken >= limit.Permits)
                {
                    return New(isGranted: false, tally);
                }

                refill = tally.Refill ??= RefillAsync(window, tally, key);
            }

            await refill;
        }
    }

    /// <summary>Takes a granted permit back, as if there had been no request. One of an earlier time is lost.</summary>
    public static void GiveBack(Permit permit)
    {
        lock (permit.Tally)
        {
            permit.Tally.Held++;
        }
    }

    private (Window Window, Tally Tally, string Key) Find(string caller)
    {
        var number = clock.GetUtcNow().Ticks / limit.Window.Ticks;
        var window = Volatile.Read(ref _window);
        while (window.Number < number)
        {
            Interlocked.CompareExchange(ref _window, new(number), window);
            window = Volatile.Read(ref _window);
        }

        if (!window.Tallies.TryGetValue(caller, out var tally))
        {
            caller = window.Tallies.Count < MaxTallies
                ? caller
                : $"shared {BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes(caller))) % SharedTallies}";
            tally = window.Tallies.GetOrAdd(caller, _ => new());
        }

        return (window, tally, caller);
    }

    private async Task RefillAsync(Window window, Tally tally, string caller)
    {
        await Task.Yield(); // The caller holds the lock.
        var block = Math.Max(1, (int)(limit.Permits - tally.Taken) / BlocksLeft);
        var key = string.Create(CultureInfo.InvariantCulture, $"{name}:{caller}:{window.Number}");
        var taken = Math.Max(await counts.AddAsync(key, block, limit.Window * 2) ?? 0, tally.Taken + block);
        lock (tally)
        {
            tally.Held += (int)Math.Clamp(limit.Permits - (taken - block), 0, block);
            tally.Taken = taken;
            tally.Refill = null;
        }
    }

    private Permit New(bool isGranted, Tally tally)
    {
        var now = clock.GetUtcNow().Ticks;
        var left = TimeSpan.FromTicks(limit.Window.Ticks - (now % limit.Window.Ticks));
        return new(this, isGranted, tally.Held + Math.Max(0, limit.Permits - tally.Taken), left, name, tally);
    }

    /// <summary>A time in which requests are counted.</summary>
    private sealed class Window(long number)
    {
        public long Number => number;

        public ConcurrentDictionary<string, Tally> Tallies { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>What one caller has used in a window.</summary>
    internal sealed class Tally
    {
        /// <summary>Permits that this replica has taken and not given yet.</summary>
        public int Held { get; set; }

        /// <summary>Permits that all replicas have taken, as far as this one knows.</summary>
        public long Taken { get; set; }

        /// <summary>The taking of more, under way.</summary>
        public Task? Refill { get; set; }
    }
}

/// <summary>Whether a request is allowed.</summary>
/// <param name="Limiter">What it was counted by.</param>
/// <param name="IsGranted">Whether it is.</param>
/// <param name="Remaining">How many more are.</param>
/// <param name="ResetsIn">When all are again.</param>
/// <param name="Name">The limit's name.</param>
/// <param name="Tally">Where it was taken from.</param>
internal readonly record struct Permit(
    RateLimiter Limiter, bool IsGranted, long Remaining, TimeSpan ResetsIn, string Name, RateLimiter.Tally Tally)
{
    /// <summary>In seconds, rounded up: RFC 9110 knows no fractions.</summary>
    public long Seconds => (long)Math.Ceiling(ResetsIn.TotalSeconds);

    /// <summary>As a header's value (draft-ietf-httpapi-ratelimit-headers).</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"\"{Name}\";r={Remaining};t={Seconds}");
}
