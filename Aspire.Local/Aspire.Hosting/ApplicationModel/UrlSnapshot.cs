namespace Aspire.Hosting.ApplicationModel;

/// <summary>A URL shown for a resource.</summary>
/// <param name="Name">The endpoint that it belongs to; null when it belongs to none.</param>
/// <param name="Url">The whole URL.</param>
/// <param name="IsInternal">Whether it is shown in the resource's details only.</param>
public sealed record UrlSnapshot(string? Name, string Url, bool IsInternal)
{
    /// <summary>How to show it.</summary>
    public UrlDisplayPropertiesSnapshot DisplayProperties { get; init; } = new();

    /// <summary>Whether nothing answers there, since the resource does not run.</summary>
    public bool IsInactive { get; init; }
}

/// <summary>How a URL is shown.</summary>
/// <param name="DisplayName">The text shown in its place; the URL itself when empty.</param>
/// <param name="SortOrder">Its place among the resource's URLs; higher ones come first.</param>
public sealed record UrlDisplayPropertiesSnapshot(string DisplayName = "", int SortOrder = 0);
