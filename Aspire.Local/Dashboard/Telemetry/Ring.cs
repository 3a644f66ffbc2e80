namespace Aspire.Dashboard.Telemetry;

/// <summary>Keeps the latest items, up to a number of them and of their bytes. Not for several threads.</summary>
/// <typeparam name="T">What is kept.</typeparam>
/// <param name="maxItems">How many.</param>
/// <param name="maxBytes">How many bytes of them.</param>
/// <param name="bytesOf">An item's size.</param>
/// <param name="forgotten">Is told what goes.</param>
internal sealed class Ring<T>(int maxItems, long maxBytes, Func<T, int> bytesOf, Action<T>? forgotten = null)
{
    private readonly Queue<T> _items = new();

    /// <summary>The size of all.</summary>
    public long Bytes { get; private set; }

    /// <summary>How many there are.</summary>
    public int Count => _items.Count;

    /// <summary>Keeps an item, and forgets the oldest if there are too many.</summary>
    public void Add(T item)
    {
        _items.Enqueue(item);
        Bytes += bytesOf(item);
        while (_items.Count > maxItems || (Bytes > maxBytes && _items.Count > 1))
        {
            RemoveOldest();
        }
    }

    /// <summary>Forgets the oldest item.</summary>
    public void RemoveOldest()
    {
        var oldest = _items.Dequeue();
        Bytes -= bytesOf(oldest);
        forgotten?.Invoke(oldest);
    }

    /// <summary>All, the oldest first.</summary>
    public T[] ToArray() => [.. _items];

    /// <summary>Forgets all of a kind.</summary>
    public void Clear()
    {
        _items.Clear();
        Bytes = 0;
    }
}
