namespace Chat.Service.Chats;

/// <summary>Lists in pages.</summary>
internal static class Pages
{
    /// <summary>The longest page.</summary>
    public const int Max = 100;

    /// <summary>Cuts what was read, one more than a page holds, to the page.</summary>
    /// <param name="read">What was read.</param>
    /// <param name="limit">How many a page holds.</param>
    /// <returns>Whether there is a next page.</returns>
    public static bool CutTo<T>(this List<T> read, int limit)
    {
        var hasMore = read.Count > limit;
        if (hasMore)
        {
            read.RemoveAt(limit);
        }

        return hasMore;
    }

    /// <summary>Says where the next page is (RFC 8288).</summary>
    /// <param name="response">Gets the header.</param>
    /// <param name="path">Where.</param>
    public static void LinkNext(this HttpResponse response, string path) =>
        response.Headers.Link = $"<{path}>; rel=\"next\"";
}
