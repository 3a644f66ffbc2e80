namespace Identity.Service;

/// <summary>
/// Which key does what at a time. A key is published, then signs until the next one does, then is retired: it signs no
/// more and is still accepted until all its tokens have ended. All follows from <see cref="SigningKey.SignsFrom"/> and
/// the clock, so that replicas agree without a word.
/// </summary>
/// <param name="rotation">How long a key signs, and is published before.</param>
/// <param name="tokenLifetime">The longest life of a token that a key signs or encrypts.</param>
internal sealed class KeySchedule(KeyRotationOptions rotation, TimeSpan tokenLifetime)
{
    // A replica goes over to the next key when it next looks, and validators allow for clocks that differ.
    private readonly TimeSpan _retiredFor = tokenLifetime + (2 * rotation.ReadInterval) + Tokens.ClockSkew;

    /// <summary>The keys of one use that are to be accepted: first the one that signs, then the others.</summary>
    /// <param name="keys">All keys of that use.</param>
    /// <param name="now">The time.</param>
    public IReadOnlyList<SigningKey> Living(IEnumerable<SigningKey> keys, DateTimeOffset now)
    {
        var ordered = keys.OrderBy(key => key.SignsFrom).ThenBy(key => key.Id).ToList();
        // None of them by this clock, when it is behind the one of the replica that made the first.
        var signing = Math.Max(0, ordered.FindLastIndex(key => key.SignsFrom <= now));
        return
        [
            .. ordered.Skip(signing),
            .. ordered.Take(signing).Where((_, index) => ordered[index + 1].SignsFrom + _retiredFor > now).Reverse(),
        ];
    }

    /// <summary>When a key made now begins to sign.</summary>
    /// <param name="keys">All keys of its use.</param>
    /// <param name="now">The time.</param>
    public DateTimeOffset SignsFrom(IEnumerable<SigningKey> keys, DateTimeOffset now) =>
        keys.Any() ? now + rotation.PublishAhead : now; // The first one cannot wait.

    /// <summary>Whether it is time for the next key of a use.</summary>
    /// <param name="keys">All keys of that use.</param>
    /// <param name="now">The time.</param>
    public bool IsNextDue(IEnumerable<SigningKey> keys, DateTimeOffset now) =>
        keys.All(key => key.SignsFrom + rotation.SignFor - rotation.PublishAhead <= now);
}
