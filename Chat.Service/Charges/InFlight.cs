using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;

namespace Chat.Service.Charges;

/// <summary>
/// The charges that this replica has to bring to an end: those being answered, and those that could not be undone yet.
/// <see cref="Reconciler"/> notes them in the database, so that others can end them if this replica dies.
/// </summary>
/// <param name="options">How many chats a user may have in flight.</param>
/// <param name="clock">The time.</param>
internal sealed class InFlight(IOptions<ChatSettings> options, TimeProvider clock)
{
    /// <summary>How many charges may wait to be undone. Beyond it, the replica takes no more on.</summary>
    private const int MaxUnsettled = 10_000;

    private readonly ConcurrentDictionary<Place, ChatCharge> _answered = new();
    private readonly ConcurrentDictionary<(Guid Id, Guid? Origin), ChatCharge> _unsettled = new();
    private readonly Dictionary<long, int> _paid = [];
    private readonly Lock _paidLock = new();
    private long _notedAt;

    /// <summary>
    /// Gets whether a charge may be taken on: others know that this replica lives, and little is left to undo.
    /// </summary>
    public bool IsOpen => _unsettled.Count < MaxUnsettled
        && Volatile.Read(ref _notedAt) is var notedAt and not 0
        && clock.GetElapsedTime(notedAt) < options.Value.Lease;

    /// <summary>Gets what is to be noted; a charge may be there twice.</summary>
    /// <remarks>Those being answered come first: what cannot be undone is unsettled before it leaves them.</remarks>
    public IReadOnlyList<NotedCharge> Charges =>
    [
        .. _answered.Select(place => new NotedCharge(place.Value, place.Key.IsCharged || place.Value.Origin is null)),
        .. _unsettled.Values.Select(charge => new NotedCharge(charge, IsOurs: charge.Origin is null)),
    ];

    /// <summary>Gets the charges that are still to be undone.</summary>
    public IReadOnlyCollection<ChatCharge> Unsettled => [.. _unsettled.Values];

    /// <summary>Whether a user has as many paid chats in flight as may be.</summary>
    /// <param name="userId">The user.</param>
    public bool IsFull(long userId)
    {
        lock (_paidLock)
        {
            return _paid.GetValueOrDefault(userId) >= options.Value.MaxConcurrentChats;
        }
    }

    /// <summary>Says that the charges of now are noted.</summary>
    /// <param name="timestamp">When they were read, before the note was written.</param>
    public void Noted(long timestamp) => Volatile.Write(ref _notedAt, timestamp);

    /// <summary>Takes a charge on, before it is asked for.</summary>
    /// <param name="charge">The charge.</param>
    /// <returns>Its place, until it has come to an end.</returns>
    public Place Enter(ChatCharge charge)
    {
        var place = new Place(this, charge.UserId);
        _answered.TryAdd(place, charge);
        return place;
    }

    /// <summary>Keeps a charge that could not be undone.</summary>
    /// <param name="charge">The charge.</param>
    public void Remember(ChatCharge charge) => _unsettled[(charge.Id, charge.Origin)] = charge;

    /// <summary>Lets go of a charge that is undone, or turned out to be answered.</summary>
    /// <param name="charge">The charge.</param>
    public void Settled(ChatCharge charge) => _unsettled.TryRemove((charge.Id, charge.Origin), out _);

    /// <summary>A charge in flight.</summary>
    /// <param name="all">Where it is.</param>
    /// <param name="userId">Whose it is.</param>
    internal sealed class Place(InFlight all, long userId) : IDisposable
    {
        private bool _isPaid;
        private volatile bool _isCharged;

        /// <summary>Gets whether the ledger has charged it for this place, and for no other one.</summary>
        public bool IsCharged => _isCharged;

        /// <summary>Says that the ledger has charged it for this place.</summary>
        public void Charged() => _isCharged = true;

        /// <summary>Counts the chat as one that is paid for.</summary>
        /// <returns>False when the user has too many of them.</returns>
        public bool TryPay()
        {
            lock (all._paidLock)
            {
                ref var paid = ref CollectionsMarshal.GetValueRefOrAddDefault(all._paid, userId, out _);
                _isPaid = paid < all.Options.MaxConcurrentChats;
                paid += _isPaid ? 1 : 0;
                return _isPaid;
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            all._answered.TryRemove(this, out _);
            if (!_isPaid)
            {
                return;
            }

            lock (all._paidLock)
            {
                if (--CollectionsMarshal.GetValueRefOrAddDefault(all._paid, userId, out _) == 0)
                {
                    all._paid.Remove(userId);
                }
            }
        }
    }

    private ChatSettings Options => options.Value;
}

/// <summary>A charge that a replica has to bring to an end.</summary>
/// <param name="Charge">The charge.</param>
/// <param name="IsOurs">
/// Whether it is certainly this replica's. Until the ledger has answered, it may be another one's: the same request may
/// have been sent twice.
/// </param>
internal sealed record NotedCharge(ChatCharge Charge, bool IsOurs);
